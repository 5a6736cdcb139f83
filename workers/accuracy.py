"""Marks signals against the price once their horizon has passed: whose, what candles, and what follows from it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog
from prometheus_client import Gauge

from apps.exchanges import adapters
from apps.exchanges import selectors as exchanges
from apps.exchanges.selectors import VenueInfo
from apps.signals import accuracy_selectors as selectors
from apps.signals import accuracy_services as services
from apps.signals.accuracy_selectors import Score, WaitingMark
from apps.signals.accuracy_services import Marked
from apps.signals.accuracy_settings import current
from apps.signals.domain import accuracy
from tradebot.contracts.errors import NotConfigured, VenueError
from tradebot.contracts.lanes import Lane, using
from tradebot.contracts.ports import Candle
from tradebot.contracts.values import Pair

MOST = 400
"""Marks of one run; the rest waits for the next."""
REQUESTS = 60
"""Pages of candles asked for in one run."""
PAGES = 12
"""Pages that are asked for before anything is stored."""
SECONDS = 45.0
"""How long one run asks: its task has ninety seconds."""
RECOUNT = timedelta(hours=1)
"""Without a new mark scores are made anew this often: the window moves on."""
QUOTES = ("USDT", "USD", "USDC", "EUR")
"""What a coin's price is told in, the first that its venue lists."""
ENSEMBLE = "ensemble"

ACCURACY = Gauge(
    "signal_accuracy",
    "Share of calls that were right in the window, by analyzer; `ensemble` is what they decided together.",
    ["horizon", "analyzer"],
    multiprocess_mode="mostrecent",
)
CALLS = Gauge(
    "signal_accuracy_calls", "Calls behind signal_accuracy.", ["horizon", "analyzer"], multiprocess_mode="mostrecent"
)
BASELINE = Gauge(
    "signal_accuracy_baseline",
    "What prices alone would have reached over the same signals.",
    ["horizon", "rule"],
    multiprocess_mode="mostrecent",
)

log = structlog.get_logger(__name__)

Candles = Callable[[VenueInfo, Pair, datetime, int], Sequence[Candle]]
Place = tuple[VenueInfo, Pair]


@dataclass(slots=True)
class Round:
    """One run: how often it may still ask, until when (`time.monotonic`), and what it came to so far."""

    now: datetime
    ask: Candles
    left: int = REQUESTS
    until: float = field(default_factory=lambda: time.monotonic() + SECONDS)
    made: int = 0

    def settle(self, marked: Sequence[Marked], reasons: Mapping[int, str]) -> None:
        """Store it at once: what is known stays known, whatever becomes of the rest."""
        self.made += services.record(marked=marked, now=self.now)
        services.postpone(reasons=reasons, now=self.now)

    @property
    def over(self) -> bool:
        return time.monotonic() > self.until


def mark_due(now: datetime | None = None, candles: Candles | None = None) -> int:
    """Mark what is due, then count anew who was right; returns how many marks were made.

    Every mark is a row of its own, so a run that dies or comes twice changes nothing. It asks for candles of the past,
    and so catches up with an outage.
    """
    run = Round(now or datetime.now(UTC), candles or _ask)
    services.open_due(now=run.now)
    with using(Lane.MARKET):
        for place, marks in _by_place(selectors.waiting(run.now, MOST), run).items():
            _mark(place, marks, run)
    if run.made or not selectors.scored_since(run.now - RECOUNT):
        services.rescore(now=run.now)
        services.demote_drifted(now=run.now)
    publish(selectors.scores("all") + selectors.scores("analyzer"))
    return run.made


def publish(scores: Iterable[Score]) -> None:
    """Tell Prometheus. Never by author, event or coin: strangers would decide how many series there are."""
    for score in scores:
        horizon, tally = accuracy.spoken(score.horizon), score.tally
        CALLS.labels(horizon, score.name or ENSEMBLE).set(tally.calls)
        if tally.rate is not None:
            ACCURACY.labels(horizon, score.name or ENSEMBLE).set(tally.rate)
        if not score.name:
            for rule, share in (("momentum", tally.momentum), ("up", tally.up)):
                if share is not None:
                    BASELINE.labels(horizon, rule).set(share)


# --- where to ask ----------------------------------------------------------------------------------------------------


def _by_place(waiting: Sequence[WaitingMark], run: Round) -> dict[Place, list[WaitingMark]]:
    """Marks by venue and pair; those that have none are settled with the reason."""
    venues = [(venue, _pairs(venue)) for venue in _venues()] if waiting else []
    found: dict[Place, list[WaitingMark]] = defaultdict(list)
    homeless: dict[int, str] = {}
    for mark in waiting:
        if place := _place(mark, venues):
            found[place].append(mark)
        else:
            homeless[mark.id] = f"no enabled venue lists {mark.coin} in {', '.join(QUOTES)}"
    run.settle([], homeless)
    return found


def _venues() -> list[VenueInfo]:
    """Where to ask, the best first: as configured, else every enabled venue, the paper exchange last."""
    enabled = exchanges.enabled_venues()
    wanted = current().venues
    if wanted:
        return sorted((each for each in enabled if each.name in wanted), key=lambda each: wanted.index(each.name))
    return sorted(enabled, key=lambda each: each.paper)


def _pairs(venue: VenueInfo) -> frozenset[str]:
    """What trades there: as stored, or, where nobody has stored it yet, as the venue says."""
    if stored := exchanges.markets(venue.name):
        return frozenset(pair for pair, market in stored.items() if market.active)
    try:
        return adapters.connect(venue, "", "").pairs()
    except (VenueError, NotConfigured) as error:
        log.info("accuracy.unlisted", venue=venue.name, reason=str(error))
        return frozenset()


def _place(mark: WaitingMark, venues: Sequence[tuple[VenueInfo, frozenset[str]]]) -> Place | None:
    """Where the signal's other horizons were marked; after a failure the next that lists the coin."""
    places = [place for venue, pairs in venues if (place := _listed(venue, pairs, mark.coin))]
    known = [place for place in places if (place[0].name, str(place[1])) == (mark.venue, mark.pair)]
    turns = [*known, *(place for place in places if place not in known)]
    return turns[mark.attempts % len(turns)] if turns else None


def _listed(venue: VenueInfo, pairs: frozenset[str], coin: str) -> Place | None:
    found = (Pair(coin, quote) for quote in QUOTES if f"{coin}/{quote}" in pairs)
    return next(((venue, pair) for pair in found), None)


# --- asking ----------------------------------------------------------------------------------------------------------


def _mark(place: Place, marks: Sequence[WaitingMark], run: Round) -> None:
    """Mark as many as there are requests and time left for, those that waited longest first."""
    for some in _affordable(place, marks, run):
        try:
            found = _read(place, some, run)
        except (VenueError, NotConfigured) as error:
            log.info("accuracy.unpriced", venue=place[0].name, pair=str(place[1]), reason=str(error))
            run.settle([], {mark.id: str(error) for mark in some})
            return
        if found is None:
            return
        told = [_judged(place, mark, found) for mark in some]
        reasons = {mark.id: each for mark, each in zip(some, told, strict=True) if isinstance(each, str)}
        run.settle([each for each in told if isinstance(each, Marked)], reasons)


def _affordable(place: Place, marks: Sequence[WaitingMark], run: Round) -> Iterator[list[WaitingMark]]:
    pages = len(list(accuracy.pages(_moments(place, marks))))
    if pages > min(run.left, PAGES) and len(marks) > 1:
        half = len(marks) // 2
        yield from _affordable(place, marks[:half], run)
        yield from _affordable(place, marks[half:], run)
    elif pages <= run.left:
        run.left -= pages
        yield list(marks)


def _read(place: Place, marks: Sequence[WaitingMark], run: Round) -> list[Candle] | None:
    """Everything these marks need; None when the run's time is over before that: they wait for the next."""
    found: dict[datetime, Candle] = {}
    for since, minutes in accuracy.pages(_moments(place, marks)):
        if run.over:
            return None
        found.update((candle.at, candle) for candle in run.ask(*place, since, minutes))
    return [found[at] for at in sorted(found)]


def _ask(venue: VenueInfo, pair: Pair, since: datetime, minutes: int) -> Sequence[Candle]:
    """Public market data: no account is asked, no key is opened."""
    return adapters.connect(venue, "", "").candles(pair, since, minutes)


def _moments(place: Place, marks: Iterable[WaitingMark]) -> list[datetime]:
    ends = [mark.at + timedelta(minutes=mark.horizon) for mark in marks]
    starts = [mark.at for mark in marks if not _known(place, mark)]
    return [*ends, *starts, *(at - accuracy.BEFORE for at in starts)]


def _known(place: Place, mark: WaitingMark) -> bool:
    """Whether another horizon told this venue's price of the signal's moment already."""
    return mark.price is not None and (mark.venue, mark.pair) == (place[0].name, str(place[1]))


def _judged(place: Place, mark: WaitingMark, candles: Sequence[Candle]) -> Marked | str:
    """What the mark comes to, or why it can't be made."""
    price, before = mark.price, mark.price_before
    if not _known(place, mark):
        price, before = accuracy.price_at(candles, mark.at), accuracy.price_at(candles, mark.at - accuracy.BEFORE)
    after = accuracy.price_at(candles, mark.at + timedelta(minutes=mark.horizon))
    venue, pair = place[0].name, str(place[1])
    if price is None or after is None:
        when = "when the signal was made" if price is None else f"{accuracy.spoken(mark.horizon)} after the signal"
        return f"{venue} has no price of {pair} {when}"
    return Marked(mark.id, venue, pair, price, before, after)
