"""What became of each sample post, told as a table: post, signal, strategy, order, fill, or the reason for none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from rich.cells import cell_len, set_cell_size

from tradebot.contracts.values import Leg
from workers.demo.script import Beat, Expected

FILLED = frozenset({"FILLED"})
PLACED = frozenset({"OPEN", "PARTIALLY_FILLED", "FILLED"})
WRONG_SOURCE = "source"
TITLE_WIDTH = 46


@dataclass(frozen=True, slots=True)
class OrderTold:
    """One order as it stands now; money in quote per base, `status` is the order row's."""

    leg: str
    side: str
    pair: str
    type: str
    amount: Decimal
    status: str
    filled: Decimal
    price: Decimal | None
    reason: str = ""

    def answers(self, wanted: Expected) -> bool:
        """Whether this is that order, however far it got."""
        return (self.leg, self.side, self.pair) == (wanted.leg, wanted.side, wanted.pair)

    def fulfils(self, wanted: Expected) -> bool:
        """Whether this is that order, and filled; one that protects counts as soon as the exchange holds it."""
        return self.answers(wanted) and self.status in (PLACED if wanted.leg == Leg.PROTECT else FILLED)


@dataclass(frozen=True, slots=True)
class DecisionTold:
    """What one strategy made of a signal: no match (why), denied (why), only a shadow (why), or orders."""

    strategy: str
    matched: bool
    code: str = ""
    reason: str = ""
    orders: tuple[OrderTold, ...] = ()
    shadow: str = ""


@dataclass(frozen=True, slots=True)
class Chapter:
    """One sample post and everything that came of it. `state`: fresh, edited (the signal is an
    earlier revision's), duplicate, dead (`reason` says why) or missing."""

    beat: Beat
    state: str
    signal: str = ""
    tradable: bool = False
    reason: str = ""
    decisions: tuple[DecisionTold, ...] = ()

    @property
    def orders(self) -> tuple[OrderTold, ...]:
        return tuple(order for decision in self.decisions for order in decision.orders)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; the cells of a post stand only in its first row."""

    post: str
    signal: str
    strategy: str
    order: str
    fill: str


def unfulfilled(chapters: Sequence[Chapter]) -> list[str]:
    """The orders that should be there and are not, as `demo-merge: entry buy ETH/USDT`."""
    return [
        f"{chapter.beat.message.id}: {wanted}"
        for chapter in chapters
        for wanted in chapter.beat.orders
        if _fulfilling(chapter, wanted) is None
    ]


def total(chapters: Sequence[Chapter]) -> str:
    """One sentence: how many of the expected orders are there, how many of those filled, how many stops rest."""
    found = [order for chapter in chapters for wanted in chapter.beat.orders if (order := _fulfilling(chapter, wanted))]
    wanted = sum(len(chapter.beat.orders) for chapter in chapters)
    filled = sum(order.status in FILLED for order in found)
    resting = len(found) - filled
    stops = f", {resting} {'stop' if resting == 1 else 'stops'} resting at the exchange" if resting else ""
    return f"{len(found)} of {wanted} expected orders: {filled} filled{stops}."


def _fulfilling(chapter: Chapter, wanted: Expected) -> OrderTold | None:
    return next((order for order in chapter.orders if order.fulfils(wanted)), None)


def uninvited(chapters: Sequence[Chapter]) -> list[str]:
    """Orders that no post of the script should have led to, as `demo-airdrop: entry buy SOL/USDT`."""
    return [
        f"{chapter.beat.message.id}: {order.leg} {order.side} {order.pair}"
        for chapter in chapters
        for order in chapter.orders
        if not any(order.answers(wanted) for wanted in chapter.beat.orders)
    ]


def rows(chapters: Sequence[Chapter]) -> list[Row]:
    """The table, in the order in which the posts were played."""
    return [row for chapter in chapters for row in _rows(chapter)]


def _rows(chapter: Chapter) -> list[Row]:
    post, signal = _title(chapter.beat), chapter.signal or "-"
    outcomes = _outcomes(chapter)
    told = [Row(post, signal, *outcomes[0])]
    return told + [Row("", "", *outcome) for outcome in outcomes[1:]]


def _title(beat: Beat) -> str:
    message = beat.message
    picture = " [picture]" if message.media_urls else ""
    again = " (edited)" if message.revision else ""
    return shortened(f"{message.channel or '@' + message.author}{picture}{again}: {message.data}", TITLE_WIDTH)


def _outcomes(chapter: Chapter) -> list[tuple[str, str, str]]:
    """(strategy, order, fill) for each thing that happened."""
    if not chapter.tradable:
        return [("-", "none", _why_no_signal(chapter))]
    told = [outcome for decision in chapter.decisions if decision.matched for outcome in _decided(decision)]
    return told or [_unmatched(chapter.decisions)]


def _why_no_signal(chapter: Chapter) -> str:
    match chapter.state:
        case "duplicate":
            return "duplicate: the post was known"
        case "edited":
            return "edited: the same signal, already acted on"
        case "dead":
            return f"dead letter: {shortened(chapter.reason, 80)}"
        case "missing":
            return "not through yet"
    return f"nothing to trade ({chapter.beat.lesson})"


def _decided(decision: DecisionTold) -> list[tuple[str, str, str]]:
    if decision.orders:
        return [(decision.strategy, _order(order), _fill(order)) for order in decision.orders]
    if not decision.code:
        waits = f"only a shadow: {shortened(decision.shadow, 120)}" if decision.shadow else "not decided yet"
        return [(decision.strategy, "none", waits)]
    return [(decision.strategy, "denied", _because(decision.code, decision.reason))]


def _unmatched(decisions: Sequence[DecisionTold]) -> tuple[str, str, str]:
    """The most telling refusal: of the strategy that watches this source, if one does."""
    if not decisions:
        return ("-", "none", "no strategy was asked yet")
    told = next((decision for decision in decisions if decision.code != WRONG_SOURCE), decisions[0])
    name = told.strategy if told.code != WRONG_SOURCE else "all"
    return (name, "none", _because(told.code, told.reason))


def _order(order: OrderTold) -> str:
    kind = "" if order.type == "market" else f" {order.type.replace('_', ' ')}"
    return f"{order.side} {plain(order.amount)} {order.pair}{kind}"


def _fill(order: OrderTold) -> str:
    price = f" at {plain(order.price)}" if order.price is not None else ""
    match order.status:
        case "FILLED":
            return f"filled {plain(order.filled)}{price}"
        case "OPEN":
            return f"resting{price}"
    why = f": {shortened(order.reason, 60)}" if order.reason else ""
    return f"{order.status.lower().replace('_', ' ')}{why}"


def plain(number: Decimal) -> str:
    """A number without trailing zeros and without an exponent."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def shortened(text: str, width: int) -> str:
    """One line that takes at most `width` columns of a terminal; a Chinese character takes two."""
    line = " ".join(text.split())
    return line if cell_len(line) <= width else f"{set_cell_size(line, width - 1).rstrip()}…"


def _because(code: str, reason: str) -> str:
    """`code: reason`, in at most 80 columns and without saying the same word twice."""
    told = reason if reason.startswith(code) else f"{code}: {reason}".strip(": ")
    return shortened(told, 80)
