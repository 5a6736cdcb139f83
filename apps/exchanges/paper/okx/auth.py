"""Who is asking: key, signature, passphrase and clock of a request (docs-v5, REST authentication)."""

from __future__ import annotations

import base64
import hmac
from datetime import UTC, datetime

from apps.exchanges.paper.ledger import Account, Ledger
from apps.exchanges.paper.okx.errors import UNAUTHORISED, ApiError
from apps.exchanges.paper.wire import Call

WINDOW_MS = 30_000
_PASSPHRASE_LENGTH = 24
_REQUIRED = (
    ("OK-ACCESS-KEY", 50103),
    ("OK-ACCESS-PASSPHRASE", 50104),
    ("OK-ACCESS-SIGN", 50106),
    ("OK-ACCESS-TIMESTAMP", 50107),
)


def passphrase(secret: bytes | str) -> str:
    """The passphrase of an account, made from its secret: OKX wants one, the ledger keeps none."""
    key = secret.encode() if isinstance(secret, str) else secret
    return hmac.new(key, b"passphrase of a paper account", "sha256").hexdigest()[:_PASSPHRASE_LENGTH]


def signature(secret: bytes, signed: str) -> str:
    """Base64 of the HMAC-SHA256; `signed` is timestamp + method + path with query + body."""
    return base64.b64encode(hmac.digest(secret, signed.encode(), "sha256")).decode()


def signed_account(ledger: Ledger, call: Call, now: int) -> Account:
    """The account behind a signed request. Raises ApiError 50102-50107, 50111-50113 with HTTP 401."""
    for name, code in _REQUIRED:
        if not call.headers.get(name):
            raise ApiError(code, f"Request header {name} can't be empty.", UNAUTHORISED)
    sent = call.headers["OK-ACCESS-TIMESTAMP"]
    _check_clock(sent, now)
    target = f"{call.path}?{call.query}" if call.query else call.path
    return proven(
        ledger,
        call.headers["OK-ACCESS-KEY"],
        call.headers["OK-ACCESS-PASSPHRASE"],
        call.headers["OK-ACCESS-SIGN"],
        f"{sent}{call.method}{target}{call.body}",
    )


def proven(ledger: Ledger, api_key: str, phrase: str, sign: str, signed: str) -> Account:
    """The account of a key whose signature and passphrase are right. Raises ApiError 50111, 50113 or 50105."""
    account = ledger.account(api_key)
    if account is None:
        raise ApiError(50111, "Invalid OK-ACCESS-KEY", UNAUTHORISED)
    if not _same(signature(account.secret, signed), sign):
        raise ApiError(50113, "Invalid Sign", UNAUTHORISED)
    if not _same(passphrase(account.secret), phrase):
        raise ApiError(50105, "Request header OK-ACCESS-PASSPHRASE incorrect.", UNAUTHORISED)
    return account


def _check_clock(text: str, now: int) -> None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ApiError(50112, "Invalid OK-ACCESS-TIMESTAMP", UNAUTHORISED) from None
    sent = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000
    if abs(now - sent) > WINDOW_MS:
        raise ApiError(50102, "Timestamp request expired", UNAUTHORISED)


def _same(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), given.encode())
