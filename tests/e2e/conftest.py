"""One whole stack for all end-to-end tests: what `make up` starts, with servers of its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import uuid4

import pytest

from tests.stack import RunningStack, Trader, running_stack

_numbers = count(1)


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    # Every test lets a new author say the same words, and some move prices: both would look like a pump to the others.
    with running_stack(STORY_MINUTES="0", MANIPULATION_LIMIT="1") as running:
        yield running


@pytest.fixture
def trader(stack: RunningStack) -> Trader:
    """A new person with 10,000 USDT of play money."""
    return stack.trader(f"trader-{uuid4().hex[:8]}")


@pytest.fixture
def author() -> str:
    """A name nobody else watches, so that tests do not trade on each other's posts."""
    return f"author_{uuid4().hex[:8]}"


def post(text: str, author: str, **changes: Any) -> dict[str, Any]:
    """A line of an ingest file, posted now."""
    number = next(_numbers)
    return {
        "source": "twitter",
        "type": "text",
        "data": text,
        "media_urls": [],
        "timestamp": datetime.now(UTC).isoformat(),
        "id": f"{number}-{uuid4().hex[:8]}",
        "author": author,
        **changes,
    }


def strategy(trader: Trader, author: str, **changes: Any) -> dict[str, Any]:
    """The person's strategy on one author, made through the API."""
    body = {
        "user_id": trader.user_id,
        "watch_list": {"twitter_users": [author]},
        "actions": {"bullish": {"percentage": 30, "max_amount": 5000}, "bearish": {"percentage": 50, "stop_loss": 10}},
        "cooldown_minutes": 0,
        **changes,
    }
    answer = trader.api.post("/api/v1/strategies", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


BULLISH = "Buying more $DOGE right now, this is going to the moon"
BEARISH = "Sell $DOGE now, it is going to crash hard"
