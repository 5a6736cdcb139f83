"""The whole chain in one process: from a file of posts to the orders that a real paper exchange was sent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
from django.db import transaction
from django.test import override_settings

from apps.exchanges import selectors as exchanges
from apps.exchanges import services as venues
from apps.exchanges.adapters import connect, paper_admin
from apps.exchanges.adapters.snapshots import put_tickers
from apps.exchanges.models import Venue
from apps.signals import services as signals
from apps.signals.adapters.embedder import get_embedder
from apps.signals.domain.coins import catalogue
from apps.signals.models import Analysis
from apps.sources.domain.clean import clean as clean_text
from apps.sources.domain.identity import post_id
from apps.strategies import services as strategies
from apps.strategies.models import Match
from apps.trading.models import Command, Order, Position, RiskPolicy
from tests.apps.exchanges.paper_process import TOKEN, PaperProcess
from tests.attacks.attacks import Drawing, Sent
from tests.attacks.drawing import draw
from tradebot import valkey
from tradebot.contracts.messages import AnalysisSignal, CleanPost, Features, OCRResult, TradeCommand
from tradebot.contracts.ports import Ticker
from tradebot.contracts.values import Action, AmountType, Leg, Mode, Pair
from workers import analyze as analysis
from workers.analyze import analyze
from workers.clean import clean
from workers.dispatch import dispatch
from workers.execute import execute, forget_lines
from workers.features import features, features_of_images
from workers.ingest import read_lines
from workers.ocr import ocr
from workers.traders import Trader, open_trader

BATCH = 50
MONEY = Decimal(100_000_000)
OPENED_WITH = Decimal(4_000)
"""In USDT, of every coin: a sale of one percent is an order that the exchange takes."""
PERMISSIVE: dict[str, Any] = {
    "watch_list": {},
    "actions": {"bullish": {"percentage": 1, "max_amount": 20}, "bearish": {"percentage": 1}},
    "min_confidence": 0.5,
    "max_signal_age": 3600,
    "cooldown_minutes": 0,
}
"""Any author, any coin, both directions, and whatever is more likely than not."""


@dataclass(frozen=True)
class Ending:
    """What became of one post. `commands`: how many it brought that were meant for the exchange, not only for the
    record (shadow); `orders`: how many the exchange took; `why`: the reason where there was none."""

    text: str
    signals: tuple[AnalysisSignal, ...] = ()
    commands: int = 0
    orders: int = 0
    why: str = ""
    advice: Sequence[str] = ()
    """The direction that the LLM gave, where it was asked and answered."""

    @property
    def verdict(self) -> str:
        return "; ".join(
            f"{each.type} {each.confidence:.2f} {','.join(each.coins)} {each.event} {each.mood}"
            f"{' shadow: ' + each.shadow if each.shadow else ''}"
            for each in self.signals
        )


@dataclass(frozen=True)
class House:
    """A trader with money, an open position in every coin that the exchange lists, and one permissive strategy."""

    paper: PaperProcess
    trader: Trader
    folder: Path
    known: dict[Drawing, OCRResult] = field(default_factory=dict)
    """Pictures that the OCR stage has read, so that a second run need not wait for it again."""

    def run(self, posts: Mapping[str, Sent], **settings: Any) -> dict[str, Ending]:
        """Send posts, by names of the caller's, through every stage under these settings; what became of each.

        Nothing stays in the database, and posts about one coin never meet: of those that tell one story only the first
        may act, so one attack would hide the next.
        """
        endings: dict[str, Ending] = {}
        analysis._panel = None
        with override_settings(**settings):
            for batch in _apart(posts):
                with passing():
                    endings |= self._batch(batch)
        analysis._panel = None
        return endings

    def placed(self) -> int:
        """Orders that the exchange has in its own ledger."""
        return len(self.paper.rows("orders"))

    def _batch(self, posts: Mapping[str, Sent]) -> dict[str, Ending]:
        messages, rejected = read_lines(self._file(posts))
        assert not rejected, rejected
        names = {str(post_id(message)): name for message, name in zip(messages, posts, strict=True)}
        cleaned = clean(messages)
        made = features([post for post in cleaned if not post.media_urls])
        if pictured := [post for post in cleaned if post.media_urls]:
            made += features_of_images(self._read(pictured, [posts[names[post.post_id]] for post in pictured]))
        judged = analyze(made)
        commands = dispatch(judged)
        execute(commands)
        return {names[post.post_id]: _ending(post, judged, commands) for post in made}

    def _read(self, pictured: Sequence[CleanPost], posts: Sequence[Sent]) -> list[OCRResult]:
        drawings = {post.post_id: sent.picture for post, sent in zip(pictured, posts, strict=True) if sent.picture}
        fresh = [post for post in pictured if drawings[post.post_id] not in self.known]
        self.known.update({drawings[result.post_id]: result for result in (ocr(fresh) if fresh else [])})
        return [
            msgspec.structs.replace(
                self.known[drawings[post.post_id]], post_id=post.post_id, root_id=post.root_id, seen_at=post.seen_at
            )
            for post in pictured
        ]

    def _file(self, posts: Mapping[str, Sent]) -> Path:
        path = self.folder / f"{uuid4().hex}.jsonl"
        path.write_text("".join(json.dumps(self._line(sent)) + "\n" for sent in posts.values()))
        return path

    def _line(self, sent: Sent) -> dict[str, Any]:
        line = {
            "source": sent.source,
            "type": "image" if sent.picture else "text",
            "data": sent.text,
            "timestamp": datetime.now(UTC).isoformat(),
            "id": uuid4().hex,
            "author": sent.author,
            "channel": sent.channel,
        }
        if sent.picture is None:
            return line
        name = f"{uuid4().hex}.png"
        draw(sent.picture, self.folder / name)
        return {**line, "media_urls": [name]}


def _apart(posts: Mapping[str, Sent]) -> list[dict[str, Sent]]:
    """The posts in batches of which none has two that name the same coin."""
    batches: list[tuple[set[str], dict[str, Sent]]] = []
    for name, sent in posts.items():
        coins = set(
            catalogue().symbols("\n".join((clean_text(sent.text), *(sent.picture.lines if sent.picture else ()))))
        )
        free = next((batch for batch in batches if coins.isdisjoint(batch[0]) and len(batch[1]) < BATCH), None)
        if free is None:
            batches.append(free := (set(), {}))
        free[0].update(coins)
        free[1][name] = sent
    return [batch for _, batch in batches]


def _ending(post: Features, judged: Sequence[AnalysisSignal], commands: Sequence[TradeCommand]) -> Ending:
    mine = tuple(signal for signal in judged if signal.post_id == post.post_id)
    named = [signal.signal_id for signal in mine]
    given = [command.id for command in commands if command.signal_id in named and command.mode is not Mode.SHADOW]
    whys = [
        *Match.objects.filter(signal_id__in=named, matched=False).values_list("detail", flat=True),
        *Command.objects.filter(pk__in=given).exclude(reason="").values_list("reason", flat=True),
    ]
    orders = Order.objects.filter(command_id__in=given).exclude(venue_order_id="").count()
    advice = Analysis.objects.filter(post_id=post.post_id, analyzer="llm", error="").values_list("direction", flat=True)
    return Ending(post.text, mine, len(given), orders, "; ".join(whys) or ("" if mine else "no signal"), [*advice])


@contextmanager
def passing() -> Iterator[None]:
    """A transaction that leaves nothing behind; what must commit for good may inside, as around every test."""
    around = transaction.atomic()
    around._from_testcase = True  # type: ignore[attr-defined]
    with around:
        yield
        transaction.set_rollback(True)


@contextmanager
def open_house(folder: Path) -> Iterator[House]:
    """Everything that a post needs on its way, with a paper exchange of its own. Use it inside `passing`."""
    paper = PaperProcess(folder / "ledger.db", "--weight-limit", "1000000", "--order-limit", "1000000")
    where = {"PAPER_EXCHANGE_URL": paper.url, "PAPER_EXCHANGE_TOKEN": TOKEN, "MEDIA_ROOT": folder / "media"}
    try:
        with override_settings(**where):
            _forget()
            yield _furnished(paper, folder)
    finally:
        paper.stop()
        _forget()


def _furnished(paper: PaperProcess, folder: Path) -> House:
    venues.ensure_venues()
    Venue.objects.filter(name="paper").update(request_limit=1_000_000)
    RiskPolicy.objects.get_or_create(user=None)
    signals.sync_coins(embedder=get_embedder(1))
    known = exchanges.venue("paper")
    assert known is not None
    markets = connect(known, "", "").markets()
    venues.sync_markets(venue="paper", markets=markets)
    _heard_prices()
    trader = open_trader(f"attacked-{uuid4().hex[:8]}", {"USDT": MONEY})
    bases = sorted({market.pair.base for market in markets})
    execute([_opening(trader, base) for base in bases])
    assert set(Position.objects.filter(credential_id=trader.credential_id).values_list("coin", flat=True)) == {*bases}
    strategies.create(user_id=trader.user_id, raw={**PERMISSIVE, "credential_id": str(trader.credential_id)})
    return House(paper, trader, folder)


def _heard_prices() -> None:
    """What the streams process would have told of the exchange's markets by now."""
    now = datetime.now(UTC)
    told = {Pair(*pair.split("/")): price for pair, price in paper_admin.prices().items()}
    put_tickers("paper", [Ticker(pair=pair, bid=price, ask=price, last=price, at=now) for pair, price in told.items()])


def _opening(trader: Trader, base: str) -> TradeCommand:
    now = datetime.now(UTC)
    return TradeCommand(
        id=str(uuid4()),
        root_id="opening",
        seen_at=now,
        user_id=str(trader.user_id),
        action=Action.BUY,
        pair=f"{base}/USDT",
        amount_type=AmountType.FIXED,
        amount=OPENED_WITH,
        signal_id=str(uuid4()),
        strategy_id=str(uuid4()),
        credential_id=str(trader.credential_id),
        leg=Leg.ENTRY,
        expires_at=now + timedelta(minutes=5),
        exchange="paper",
    )


def _forget() -> None:
    """No budget, price or connection of anybody else's."""
    forget_lines()
    exchanges.forget()
    client = valkey.client()
    for kind in ("budget", "ban", "breaker", "health", "ticker", "depth", "price"):
        if keys := list(client.scan_iter(f"tradebot:{kind}:*", count=1000)):
            client.delete(*keys)
