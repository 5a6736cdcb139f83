"""People with accounts, markets, and a client that speaks for each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from apps.accounts import services as accounts
from apps.accounts.models import Credential, CredentialStatus, User
from apps.exchanges import selectors as exchanges
from apps.exchanges.models import MarketRow, Venue

MARKETS = ("BTC/USDT", "ETH/USDT", "DOGE/USDT")


@pytest.fixture(autouse=True)
def _markets(db: None) -> Iterator[None]:
    rules = {"tick": Decimal("0.01"), "step": Decimal("0.00001"), "min_amount": Decimal(0), "min_notional": Decimal(5)}
    for name in ("paper", "binance"):
        venue, _ = Venue.objects.get_or_create(name=name)
        for pair in MARKETS:
            MarketRow.objects.get_or_create(venue=venue, pair=pair, defaults=rules)
    exchanges.forget()
    yield
    exchanges.forget()


def an_account(user: User, venue: str = "paper", status: str = CredentialStatus.ACTIVE) -> Credential:
    """An exchange account that holds no keys: nothing here may need them."""
    return Credential.objects.create(user=user, venue=venue, status=status, envelope={}, is_default=venue == "paper")


def a_trader(name: str, *, staff: bool = False) -> User:
    user = accounts.create_user(name=name, staff=staff)
    an_account(user)
    return user


@pytest.fixture
def alice(db: None) -> User:
    return a_trader("alice")


@pytest.fixture
def bob(db: None) -> User:
    return a_trader("bob")


@pytest.fixture
def operator(db: None) -> User:
    return a_trader("operator", staff=True)


Client = Callable[[User], APIClient]


@pytest.fixture
def speaking_for() -> Client:
    """A client with a token of its own."""

    def client(user: User) -> APIClient:
        _, token = accounts.issue_token(user=user, name=f"test {uuid4()}")
        made = APIClient()
        made.credentials(HTTP_AUTHORIZATION=f"Token {token}")
        return made

    return client


def problems(response: Any) -> dict[str, str]:
    """Field and reason of every refusal in an answer."""
    return {error["field"]: error["reason"] for error in response.json()["errors"]}
