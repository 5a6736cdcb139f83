"""Rubbish in, a clear reason out, and everything else goes on."""

from __future__ import annotations

import json
import time

import pytest
from kombu import Connection

from tests.e2e.conftest import BULLISH, post, strategy
from tests.stack import RunningStack, Trader


def test_bad_lines_are_rejected_one_by_one(stack: RunningStack, author: str) -> None:
    good = post("Good morning everyone", author)
    missing = {name: value for name, value in good.items() if name != "author"}
    lines = [
        json.dumps(post("fine", author)),
        "not json",
        json.dumps(missing),
        json.dumps({**good, "timestamp": "yesterday"}),
        json.dumps({**good, "source": "carrier_pigeon"}),
        json.dumps({**good, "data": "x" * 5_000_000}),
        json.dumps({**good, "type": "image", "media_urls": ["http://169.254.169.254/latest/meta-data"]}),
        json.dumps(post("also fine", author)),
    ]

    done = stack.ingest(lines)

    assert done["posts"] == 2
    named = {entry["line"]: entry["error"].split(":")[0] for entry in done["rejected"]}
    assert named == {2: "line", 3: "author", 4: "timestamp", 5: "source", 6: "data", 7: "media_urls[0]"}


def test_a_picture_that_cannot_be_fetched_does_not_stop_its_post(
    stack: RunningStack, trader: Trader, author: str
) -> None:
    strategy(trader, author)
    unreachable = post(BULLISH, author, type="image", media_urls=["https://pictures.invalid/none.png"])

    done = stack.ingest([unreachable])

    assert (done["posts"], done["orders"], done["dead_lettered"]) == (1, 1, 0)


def test_a_broken_message_on_the_queue_becomes_a_dead_letter_that_can_be_dropped(stack: RunningStack) -> None:
    body = ([[{"id": "broken", "root_id": "broken-root", "data": 5}]], {}, {"callbacks": None, "errbacks": None})
    with Connection(stack.run["broker"]) as connection:
        connection.Producer().publish(
            body,
            exchange="crawler_data",
            routing_key="twitter.text",
            serializer="json",
            headers={"task": "tradebot.clean", "id": "00000000-0000-4000-8000-000000000001", "lang": "py"},
        )

    line = _await_dead_letter(stack)

    assert "clean" in line
    letter_id = line.split()[0]
    shown = json.loads(stack.manage("dead_letters", "show", letter_id).stdout)
    assert shown["items"][0]["id"] == "broken"
    assert "1 dropped" in stack.manage("dead_letters", "drop", letter_id).stdout
    assert letter_id not in stack.manage("dead_letters", "list").stdout


def _await_dead_letter(stack: RunningStack) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for line in stack.manage("dead_letters", "list").stdout.splitlines():
            if "clean" in line:
                return line
    raise AssertionError("the broken message did not reach the dead letters")


def test_too_little_money_is_denied_or_rejected_with_a_reason(stack: RunningStack, author: str) -> None:
    poor = stack.trader(f"poor-{author}", deposit="USDT=2")
    strategy(poor, author, actions={"bullish": {"percentage": 100}})

    done = stack.ingest([post(BULLISH, author)])

    assert (done["commands"], done["denied"], done["filled"]) == (1, 1, 0)


@pytest.mark.parametrize("deposit", ["USDT", "USDT=-5", "USDT=lots"])
def test_a_wrong_deposit_is_explained(stack: RunningStack, deposit: str) -> None:
    done = stack.manage("trader", "nobody", "--deposit", deposit, check=False)

    assert done.returncode != 0
    assert "deposit" in done.stderr.lower()


def test_a_key_the_exchange_does_not_know_is_refused_with_its_reason(stack: RunningStack, trader: Trader) -> None:
    body = {"venue": "paper", "api_key": "k" * 32, "secret": "s" * 32, "label": "wrong"}

    made = trader.api.post("/api/v1/credentials", json=body).json()

    deadline = time.monotonic() + 30
    while (row := trader.api.get(f"/api/v1/credentials/{made['id']}").json())["status"] == "pending":
        assert time.monotonic() < deadline, "nobody checked the key"
        time.sleep(0.2)
    assert row["status"] == "refused"
    assert row["status_reason"]
    assert "s" * 32 not in json.dumps(row)
