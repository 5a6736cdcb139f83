"""What the demo reads back from the database, and that its trader is made once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from apps.accounts.models import ApiToken, Credential, CredentialStatus, User
from apps.signals.models import Signal
from apps.sources.domain.identity import post_id, story_id
from apps.sources.models import Post
from apps.strategies.models import Match, Strategy
from apps.trading.models import Command, Order
from tests.unit.demo.test_player import a_beat
from tests.unit.demo.test_story import BUY
from tradebot.messaging.models import DeadLetter
from workers import traders
from workers.demo import cast, reads
from workers.demo.script import Beat
from workers.demo.story import Chapter, unfulfilled
from workers.traders import Trader

NOW = datetime.now(UTC)


def stored(beat: Beat, root: str = "") -> Post:
    message = beat.message
    return Post.objects.create(
        id=post_id(message),
        story_id=story_id(message),
        source=message.source,
        author=message.author,
        native_id=message.id,
        revision=message.revision,
        posted_at=message.timestamp,
        seen_at=message.seen_at,
        root_id=root or message.root_id,
    )


def judged(post: Post, kind: str = "bullish") -> Signal:
    return Signal.objects.create(id=uuid4(), post=post, type=kind, confidence=0.9, coins=["BTC"], timestamp=NOW)


@pytest.fixture
def strategy(db: None) -> Strategy:
    user = User.objects.create(username="somebody")
    Credential.objects.create(user=user, venue="paper", status=CredentialStatus.ACTIVE, envelope={}, is_default=True)
    return Strategy.objects.create(user=user, name="Mine")


def decided(strategy: Strategy, signal: Signal, **said: Any) -> Match:
    return Match.objects.create(strategy=strategy, signal=signal, version=1, created_at=NOW, **said)


def commanded(strategy: Strategy, signal: Signal, **said: Any) -> Command:
    credential = Credential.objects.get(user=strategy.user)
    fields: dict[str, Any] = {
        "id": uuid4(),
        "user": strategy.user,
        "credential": credential,
        "strategy_id": str(strategy.pk),
        "signal_id": str(signal.pk),
        "exchange": "paper",
        "mode": "paper",
        "leg": "entry",
        "action": "buy",
        "pair": "BTC/USDT",
        "amount_type": "percentage",
        "amount": Decimal(10),
        "expires_at": NOW,
        "root_id": "root",
        "seen_at": NOW,
        "created_at": NOW,
    }
    return Command.objects.create(**(fields | said))


def ordered(command: Command, attempt: int = 1, **said: Any) -> Order:
    fields: dict[str, Any] = {
        "id": uuid4(),
        "command": command,
        "attempt": attempt,
        "client_id": uuid4().hex,
        "user": command.user,
        "credential": command.credential,
        "exchange": "paper",
        "pair": "BTC/USDT",
        "side": "buy",
        "type": "market",
        "leg": "entry",
        "amount": Decimal(1),
        "filled": Decimal(1),
        "average": Decimal(50_000),
        "status": "FILLED",
        "sequence": attempt,
        "created_at": NOW + timedelta(seconds=attempt),
        "updated_at": NOW,
    }
    return Order.objects.create(**(fields | said))


def the_chapter(beat: Beat) -> Chapter:
    [chapter] = reads.chapters([beat])
    return chapter


def test_a_post_that_nobody_has_seen_is_missing(db: None) -> None:
    assert the_chapter(a_beat("one", 0)).state == "missing"


def test_a_post_without_signal_is_fresh_and_trades_nothing(db: None) -> None:
    beat = a_beat("one", 0)
    stored(beat)
    chapter = the_chapter(beat)
    assert (chapter.state, chapter.signal, chapter.tradable) == ("fresh", "", False)


def test_a_post_whose_row_another_sighting_made_is_a_duplicate(db: None) -> None:
    beat = a_beat("one", 0)
    stored(beat, root="another root")
    assert the_chapter(beat).state == "duplicate"


def test_a_dead_letter_tells_its_reason(db: None) -> None:
    beat = a_beat("one", 0)
    DeadLetter.objects.create(
        stage="clean", queue="clean", task="t", reason="why", items=[], root_ids=[beat.message.root_id], dead_at=NOW
    )
    assert (the_chapter(beat).state, the_chapter(beat).reason) == ("dead", "why")


def test_a_neutral_signal_is_told_and_trades_nothing(db: None) -> None:
    beat = a_beat("one", 0)
    judged(stored(beat), "neutral")
    chapter = the_chapter(beat)
    assert (chapter.signal, chapter.tradable) == ("neutral BTC 0.90", False)


def test_an_edited_post_has_the_signal_of_its_first_revision(db: None) -> None:
    first, second = a_beat("one", 0), a_beat("one", 1, revision=1)
    judged(stored(first))
    stored(second)
    told = reads.chapters([first, second])
    assert [chapter.state for chapter in told] == ["fresh", "edited"]
    assert told[1].decisions == ()


def test_a_trade_is_told_to_its_fill(strategy: Strategy) -> None:
    beat = a_beat("one", 0, orders=(BUY,))
    signal = judged(stored(beat))
    decided(strategy, signal, matched=True, coin="BTC", pair="BTC/USDT")
    ordered(commanded(strategy, signal, state="DONE"))
    chapter = the_chapter(beat)
    [order] = chapter.orders
    assert (order.side, order.pair, order.status, order.price) == ("buy", "BTC/USDT", "FILLED", Decimal(50_000))
    assert unfulfilled([chapter]) == []


def test_of_several_attempts_the_last_is_told(strategy: Strategy) -> None:
    beat = a_beat("one", 0)
    signal = judged(stored(beat))
    decided(strategy, signal, matched=True)
    command = commanded(strategy, signal, leg="protect")
    ordered(command, 1, leg="protect", status="CANCELED")
    ordered(command, 2, leg="protect", status="OPEN")
    assert [order.status for order in the_chapter(beat).orders] == ["OPEN"]


def test_a_denial_and_a_refusal_are_told_with_their_reasons(strategy: Strategy) -> None:
    beat = a_beat("one", 0)
    signal = judged(stored(beat))
    decided(strategy, signal, matched=True)
    commanded(strategy, signal, state="DENIED", code="nothing_held", reason="no BTC is held")
    other = Strategy.objects.create(user=strategy.user, name="Other")
    decided(other, signal, matched=False, reason="source", detail="not on the watch list")
    denied, refused = the_chapter(beat).decisions
    assert (denied.matched, denied.code, denied.reason) == (True, "nothing_held", "no BTC is held")
    assert (refused.matched, refused.code, refused.reason) == (False, "source", "not on the watch list")


def test_the_cast_is_assembled_once(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def open_trader(name: str, deposits: object) -> Trader:
        opened.append(name)
        user = User.objects.create(username=name)
        row = Credential.objects.create(user=user, venue="paper", status="active", envelope={}, is_default=True)
        ApiToken.objects.create(user=user, name="t", prefix="tb", digest=name, expires_at=NOW + timedelta(days=1))
        return Trader(user.pk, row.pk, "never shown", funded=True)

    monkeypatch.setattr(traders, "open_trader", open_trader)
    assert cast.assemble() == cast.assemble()
    assert opened == [cast.TRADER]
    assert Strategy.objects.count() == len(cast.STRATEGIES)
    assert not any(token.usable for token in ApiToken.objects.all())
