"""Golden bodies: what was once in a queue must load for ever, and what we write must keep its shape."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tradebot.contracts import messages
from tradebot.contracts.errors import InvalidField
from tradebot.contracts.messages import Message, TradeCommand, from_wire, to_wire

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(GOLDEN.glob("*.json"))


def _kind(path: Path) -> type[Message]:
    kind: type[Message] = getattr(messages, path.name.split(".")[0])
    return kind


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_an_old_body_still_loads_and_means_the_same(path: Path) -> None:
    golden: dict[str, Any] = json.loads(path.read_text())

    written = json.loads(json.dumps(to_wire(from_wire(_kind(path), golden))))

    assert _said(golden, written) == golden


def _said(golden: Any, written: Any) -> Any:
    """`written` without what the golden body does not name: fields that came later, at any depth."""
    if isinstance(golden, dict):
        return {name: _said(part, written[name]) for name, part in golden.items()}
    if isinstance(golden, list):
        return [_said(*pair) for pair in zip(golden, written, strict=True)]
    return written


def test_every_public_message_has_a_golden_body() -> None:
    public = {"CrawlerMessage", "CleanPost", "OCRResult", "Features", "AnalysisSignal", "TradeCommand"}

    assert {path.name.split(".")[0] for path in FILES} == public


def test_a_newer_senders_extra_key_is_ignored() -> None:
    golden = json.loads((GOLDEN / "TradeCommand.v1.json").read_text())

    assert from_wire(TradeCommand, {**golden, "from_the_future": 1}).pair == "BTC/USDT"


def test_money_travels_as_text_and_arrives_exact() -> None:
    golden = json.loads((GOLDEN / "TradeCommand.v1.json").read_text())

    command = from_wire(TradeCommand, {**golden, "amount": "0.1000000000000000001"})

    assert command.amount == Decimal("0.1000000000000000001")
    assert to_wire(command)["amount"] == "0.1000000000000000001"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"data": 5}, "data"),
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"timestamp": "2023-07-01T14:30:00"}, "timestamp"),
        ({"type": "smell"}, "type"),
        ({"media_urls": [7]}, "media_urls[0]"),
        ({"revision": -1}, "revision"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], field: str) -> None:
    golden = json.loads((GOLDEN / "CrawlerMessage.v1.json").read_text())

    with pytest.raises(InvalidField) as raised:
        from_wire(messages.CrawlerMessage, {**golden, **change})

    assert raised.value.field == field


def test_a_missing_field_is_named() -> None:
    golden = json.loads((GOLDEN / "CrawlerMessage.v1.json").read_text())
    del golden["author"]

    with pytest.raises(InvalidField) as raised:
        from_wire(messages.CrawlerMessage, golden)

    assert raised.value.field == "author"
