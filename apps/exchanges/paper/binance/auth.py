"""Who is asking: API key, signature and clock (docs: rest-api/request-security)."""

from __future__ import annotations

import hmac
import re
from decimal import Decimal

from apps.exchanges.paper.binance.errors import ApiError, missing
from apps.exchanges.paper.binance.params import Params
from apps.exchanges.paper.ledger import Account, Ledger
from apps.exchanges.paper.wire import Call

AHEAD_MS = 1_000
DEFAULT_WINDOW_MS = 5_000
LONGEST_WINDOW_MS = 60_000
_SIGNATURE = re.compile(r"(?:^|&)signature=[^&]*")
_KEY = re.compile(r"^[A-Za-z0-9_-]{8,128}$")


def signed_account(ledger: Ledger, call: Call, params: Params, now: int) -> Account:
    """The account behind a signed request. Raises ApiError -2014, -2015, -1102, -1022 or -1021."""
    api_key = call.headers.get("X-MBX-APIKEY", "")
    if not _KEY.match(api_key):
        raise ApiError(-2014, "API-key format invalid.")
    account = ledger.account(api_key)
    if account is None:
        raise ApiError(-2015, "Invalid API-key, IP, or permissions for action.")
    _check_signature(account, call, params.text("signature"))
    check_clock(params, now)
    return account


def _check_signature(account: Account, call: Call, signature: str) -> None:
    signed = _SIGNATURE.sub("", call.query) + _SIGNATURE.sub("", call.body)
    expected = hmac.new(account.secret, signed.encode(), "sha256").hexdigest()
    if not hmac.compare_digest(expected.encode(), signature.lower().encode()):
        raise ApiError(-1022, "Signature for this request is not valid.")


def check_clock(params: Params, now: int) -> None:
    """Raises ApiError -1021 for a request from the future, or older than its recvWindow."""
    window = _window(params)
    sent = params.integer("timestamp")
    if sent >= now + AHEAD_MS:
        raise ApiError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now - sent > window:
        raise ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")


def _window(params: Params) -> Decimal:
    text = params.optional("recvWindow", str(DEFAULT_WINDOW_MS))
    if not re.match(r"^[0-9]{1,5}(\.[0-9]{1,3})?$", text):
        raise missing("recvWindow")
    window = Decimal(text)
    if window > LONGEST_WINDOW_MS:
        raise ApiError(-1131, "recvWindow must be less than 60000.")
    return window
