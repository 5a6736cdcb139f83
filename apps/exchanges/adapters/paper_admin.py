"""The paper exchange's operator side-door: open and fund accounts, set prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import requests
from django.conf import settings

from tradebot.contracts.errors import NotConfigured, VenueRejected, VenueUnavailable

_TIMEOUT_SECONDS = 10


def open_account(api_key: str, secret: str, deposits: Mapping[str, Decimal], *, withdraw: bool = False) -> None:
    """Open a funded account; the same keys again change nothing. Both keys need at least 8 characters.

    Raises NotConfigured without settings, VenueRejected naming the wrong field, VenueUnavailable when it is down.
    """
    _call("POST", "accounts", {"api_key": api_key, "secret": secret, **_deposits(deposits), "withdraw": withdraw})


def deposit(api_key: str, deposits: Mapping[str, Decimal]) -> None:
    """Add to an account's free balances; every call adds. Raises as open_account."""
    _call("POST", "deposit", {"api_key": api_key, **_deposits(deposits)})


def set_price(pair: str, price: Decimal) -> Mapping[str, Any]:
    """Move a market (`BTC/USDT`) to a price: `{"pair", "price", "acted": [order ids]}`. Raises as open_account."""
    told: Mapping[str, Any] = _call("POST", "price", {"pair": pair, "price": f"{price:f}"})
    return told


def prices() -> Mapping[str, Decimal]:
    """Last prices by `BASE/QUOTE`. Raises as open_account."""
    return {pair: Decimal(price) for pair, price in _call("GET", "prices").items()}


def ledger() -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """Every row of accounts, deposits, balances, orders and fills, without secrets. Raises as open_account."""
    told: Mapping[str, Sequence[Mapping[str, Any]]] = _call("GET", "ledger")
    return told


def _deposits(deposits: Mapping[str, Decimal]) -> dict[str, dict[str, str]]:
    return {"deposits": {asset: f"{amount:f}" for asset, amount in deposits.items()}}


def _call(method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    if not (settings.PAPER_EXCHANGE_URL and settings.PAPER_EXCHANGE_TOKEN):
        raise NotConfigured("PAPER_EXCHANGE_URL and PAPER_EXCHANGE_TOKEN must be set to reach the paper exchange")
    url = f"{settings.PAPER_EXCHANGE_URL.rstrip('/')}/paper/{path}"
    headers = {"Authorization": f"Bearer {settings.PAPER_EXCHANGE_TOKEN}"}
    try:
        answer = requests.request(method, url, json=body, headers=headers, timeout=_TIMEOUT_SECONDS)
    except requests.RequestException as error:
        raise VenueUnavailable(f"the paper exchange does not answer ({type(error).__name__})") from None
    if answer.status_code >= 500:
        raise VenueUnavailable(f"the paper exchange answered {answer.status_code}")
    told = answer.json()
    if answer.status_code >= 400:
        raise VenueRejected(str(told.get("error", answer.status_code)), str(answer.status_code))
    return told
