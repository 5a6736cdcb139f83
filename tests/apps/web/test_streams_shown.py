"""What the health page and the dashboard say of the streams processes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.test import Client
from pytest_django.fixtures import Settings

from apps.accounts.models import User
from tradebot import heartbeat

pytestmark = pytest.mark.django_db

FACTS: dict[str, Any] = {
    "accounts": 3,
    "connected": 2,
    "price_feeds": 1,
    "price_feeds_connected": 1,
    "reconnects": 4,
    "left_to_rest": 0,
}


@pytest.fixture(autouse=True)
def _silence() -> Iterator[None]:
    def forget() -> None:
        for name in heartbeat.alive("streams"):
            heartbeat.end("streams", name)

    forget()
    yield
    forget()


def test_without_a_streams_process_the_web_is_ready_all_the_same(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["streams"] == {"ok": False, "processes": []}


def test_every_living_process_is_told_of(client: Client) -> None:
    heartbeat.beat("streams", "one:1", FACTS)
    heartbeat.beat("streams", "two:2", {**FACTS, "accounts": 0, "connected": 0})
    told = client.get("/readyz").json()["streams"]
    assert told["ok"]
    assert [process["accounts"] for process in told["processes"]] == [3, 0]
    assert all(process["age_s"] < 5 for process in told["processes"])


def test_one_that_fell_silent_is_not_there(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    heartbeat.beat("streams", "one:1", FACTS)
    later = time.time() + heartbeat.SECONDS + 1
    with monkeypatch.context() as then:
        then.setattr(time, "time", lambda: later)
        assert not client.get("/readyz").json()["streams"]["ok"]


def test_one_that_said_goodbye_is_gone_at_once() -> None:
    heartbeat.beat("streams", "one:1", FACTS)
    heartbeat.end("streams", "one:1")
    assert heartbeat.alive("streams") == {}


def test_a_silent_valkey_is_named(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(kind: str) -> None:
        raise redis.ConnectionError("nobody there")

    with monkeypatch.context() as silent:
        silent.setattr(heartbeat, "alive", broken)
        told = client.get("/readyz").json()["streams"]
    assert told == {"ok": False, "error": "ConnectionError"}


def test_the_dashboard_says_how_many_are_listened_to(client: Client) -> None:
    client.force_login(User.objects.create_superuser("operator"))
    assert "No streams process runs" in client.get("/admin/").content.decode()
    heartbeat.beat("streams", "one:1", FACTS)
    assert "Listening to 2 of 3 accounts at work." in client.get("/admin/").content.decode()


def test_settings_reach_the_heartbeat(settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    with pytest.raises(redis.RedisError):
        heartbeat.alive("streams")
