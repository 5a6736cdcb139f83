"""Every route with an id, every method: another user's object does not exist."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from apps.accounts import services
from apps.accounts.models import User
from tests.apps.web.belongings import belongings

pytestmark = pytest.mark.django_db
Routes = dict[str, dict[str, Any]]


def _routes() -> Routes:
    found: Routes = SchemaGenerator().get_schema(request=None, public=True)["paths"]  # type: ignore[no-untyped-call]
    return found


DETAILS = [(path, method) for path, methods in _routes().items() if "{" in path for method in methods]
LISTS = [path for path, methods in _routes().items() if "{" not in path and "get" in methods]


def _client(user: User) -> APIClient:
    _, token = services.issue_token(user=user, name="test")
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    return client


def _address(path: str, things: dict[str, str]) -> str:
    return path.replace("{id}", things[path.split("/")[3]])


@pytest.mark.parametrize(("path", "method"), DETAILS, ids=[f"{method} {path}" for path, method in DETAILS])
def test_anothers_object_does_not_exist(path: str, method: str) -> None:
    alice, bob = (services.create_user(name=name) for name in ("alice", "bob"))
    address = _address(path, belongings(bob))
    assert getattr(_client(alice), method)(address, {}, format="json").status_code == 404
    if method == "get":
        assert _client(bob).get(address).status_code == 200


NO_LISTS = {"/api/v1/risk-policy", "/api/v1/risk-policy/platform"}


@pytest.mark.parametrize("path", [path for path in LISTS if path not in NO_LISTS])
def test_lists_hold_ones_own_and_nothing_of_another(path: str) -> None:
    alice, bob = (services.create_user(name=name) for name in ("alice", "bob"))
    belongings(bob)
    rows = "signals" if path == "/api/v1/signals" else "results"
    assert _client(alice).get(path).json()[rows] == []
    assert len(_client(bob).get(path).json()[rows]) == 1


def test_limits_are_ones_own() -> None:
    alice, bob = (services.create_user(name=name) for name in ("alice", "bob"))
    _client(bob).patch("/api/v1/risk-policy", {"cooling_period": 7}, format="json")
    shown = [_client(user).get("/api/v1/risk-policy").json()["cooling_period"] for user in (alice, bob)]
    assert shown == [0, 7]


@pytest.mark.parametrize(("path", "method"), [*DETAILS, *((path, "get") for path in LISTS)])
def test_nobody_gets_nothing(path: str, method: str) -> None:
    answer = getattr(APIClient(), method)(path.replace("{id}", str(uuid.uuid4())), {}, format="json")
    assert answer.status_code == 401


def test_the_matrix_covers_every_resource() -> None:
    assert {path.split("/")[3] for path, _ in DETAILS} == {
        "posts", "signals", "strategies", "credentials", "orders", "commands", "positions", "alerts",
    }  # fmt: skip
