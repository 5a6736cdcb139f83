"""Two people who must never see each other's things."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from apps.accounts import services
from apps.accounts.models import User
from apps.exchanges import services as exchanges

Api = Callable[[User], APIClient]


@pytest.fixture(autouse=True)
def venues(db: None) -> None:
    exchanges.ensure_venues()


@pytest.fixture
def alice(db: None) -> User:
    return services.create_user(name="alice")


@pytest.fixture
def bob(db: None) -> User:
    return services.create_user(name="bob")


@pytest.fixture
def api() -> Api:
    """An API client with a fresh token of the given user."""

    def client(user: User) -> APIClient:
        _, token = services.issue_token(user=user, name="test")
        made = APIClient()
        made.credentials(HTTP_AUTHORIZATION=f"Token {token}")
        return made

    return client
