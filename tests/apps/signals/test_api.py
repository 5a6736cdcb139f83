"""`GET /api/v1/signals`, to the letter of DESIGN.md."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.signals.models import Signal
from tests.apps.signals.conftest import recorded

pytestmark = pytest.mark.django_db

MOMENT = datetime(2023, 7, 1, 14, 30, tzinfo=UTC)


def stored(**changes: Any) -> Signal:
    fields: dict[str, Any] = {
        "id": uuid4(),
        "post_id": recorded("synthetic").post_id,
        "type": "bullish",
        "confidence": 0.92,
        "coins": ["BTC"],
        "sources": ["twitter:elonmusk"],
        "timestamp": MOMENT,
        "event": "endorsement",
        "evidence": [{"kind": "phrase", "quote": "synth", "weight": 1.0, "model": "m", "span": [0, 5], "box": None}],
    }
    return Signal.objects.create(**{**fields, **changes})


@pytest.fixture
def client(alice: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(alice)
    return client


def test_the_example_of_the_design_page(client: APIClient) -> None:
    signal = stored()
    stored(coins=["ETH"])
    stored(timestamp=MOMENT.replace(month=6))
    answer = client.get("/api/v1/signals", {"coin": "BTC", "since": "2023-07-01"})
    assert answer.status_code == 200
    assert answer.json() == {
        "signals": [
            {
                "id": str(signal.id),
                "type": "bullish",
                "confidence": 0.92,
                "sources": ["twitter:elonmusk"],
                "timestamp": "2023-07-01T14:30:00Z",
                "coins": ["BTC"],
                "event": "endorsement",
                "evidence": signal.evidence,
                "mood": "",
                "call": None,
                "cluster_id": None,
                "shadow": "",
            }
        ],
        "next": None,
    }


@pytest.mark.parametrize("coin", ["btc", "$BTC", " BTC "])
def test_a_coin_may_be_written_as_people_do(client: APIClient, coin: str) -> None:
    stored()
    assert len(client.get("/api/v1/signals", {"coin": coin}).json()["signals"]) == 1


@pytest.mark.parametrize(
    ("since", "found"),
    [("2023-07-01T14:30:00Z", 1), ("2023-07-01T14:30:01Z", 0), ("2023-07-01T16:30:00+02:00", 1), ("2023-07-02", 0)],
)
def test_since_takes_a_date_or_a_moment(client: APIClient, since: str, found: int) -> None:
    stored()
    assert len(client.get("/api/v1/signals", {"since": since}).json()["signals"]) == found


@pytest.mark.parametrize(
    ("field", "value"),
    [("since", "yesterday"), ("since", "2023-13-01"), ("since", ""), ("coin", "BTC/USDT"), ("coin", ""), ("coin", "А")],
)
def test_a_bad_filter_is_named(client: APIClient, field: str, value: str) -> None:
    answer = client.get("/api/v1/signals", {field: value})
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_pages_follow_each_other_without_loss(client: APIClient) -> None:
    ids = {str(stored().id) for _ in range(5)}
    seen: list[str] = []
    address: str | None = "/api/v1/signals?page_size=2&coin=BTC"
    while address:
        page = client.get(address).json()
        seen += [signal["id"] for signal in page["signals"]]
        address = page["next"]
    assert len(seen) == 5
    assert set(seen) == ids


def test_signals_of_another_persons_posts_are_not_there(client: APIClient, alice: User, bob: User) -> None:
    theirs, mine = stored(owner=bob), stored(owner=alice)
    assert [row["id"] for row in client.get("/api/v1/signals").json()["signals"]] == [str(mine.id)]
    assert client.get(f"/api/v1/signals/{theirs.id}").status_code == 404
    assert client.get(f"/api/v1/signals/{mine.id}").json()["id"] == str(mine.id)


def test_without_a_token_nobody_reads() -> None:
    assert APIClient().get("/api/v1/signals").status_code in (401, 403)
