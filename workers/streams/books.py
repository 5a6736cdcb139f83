"""What the streams do with rows and exchanges. Blocking: to be called in threads."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import structlog
from django.utils import timezone

from apps.exchanges import selectors as venues
from apps.trading import services as trading
from apps.trading.domain.states import WORKING, OrderStatus
from apps.trading.models import Command, Order
from tradebot.contracts.errors import NotConfigured, TradebotError, VenueError
from tradebot.contracts.lanes import Lane, using
from tradebot.contracts.ports import Depth, Ticker, Venue, VenueOrder
from tradebot.contracts.values import ZERO, Leg
from workers.streams import clients

SENDING = timedelta(seconds=5)
"""A younger order without an answer belongs to the process that is sending it."""

_WORKING = [state.value for state in WORKING]
log = structlog.get_logger(__name__)
_opening = threading.Lock()
_wires: defaultdict[UUID, threading.RLock] = defaultdict(threading.RLock)


@dataclass(slots=True)
class Booked:
    """What became of some reports. `later`: those whose order is being sent just now by somebody else. `guards`: pairs
    whose guards are to be looked at. `incomplete`: fills that are counted but not told could not be asked for."""

    later: list[VenueOrder] = field(default_factory=list)
    guards: set[str] = field(default_factory=set)
    incomplete: bool = False


# --- clients ---------------------------------------------------------------------------------------------------------


def account_client(credential_id: UUID) -> Any:
    """A ccxt.pro client with the account's keys. Raises NotConfigured, VenueError, or InvalidField for keys that are
    gone."""
    with _line(credential_id) as venue:
        return clients.listening(_loaded(venue), _info(venue.name))


def public_client(name: str) -> Any:
    """A ccxt.pro client for the prices of one venue."""
    from apps.exchanges.adapters import connect

    info = _info(name)
    return clients.listening(_loaded(connect(info, "", "")), info)


@contextmanager
def _line(credential_id: UUID) -> Iterator[Venue]:
    """This process's REST connection of the account, which serves one thread at a time."""
    from workers import execute

    with _wires[credential_id]:
        with _opening:
            venue = execute.line(str(credential_id))
        yield venue


def _loaded(venue: Any) -> Any:
    """The ccxt client behind an adapter, its markets read."""
    venue.pairs()
    return venue.client


def _info(name: str) -> venues.VenueInfo:
    info = venues.venue(name)
    if info is None:
        raise NotConfigured(f"venue {name} is not enabled")
    return info


# --- orders ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Row:
    status: str
    filled: Decimal
    updated_at: datetime


def book(credential_id: UUID, reports: Sequence[VenueOrder]) -> Booked:
    """Bring our rows up to what the exchange said, by the same code as everything else it says."""
    known, booked = _rows(credential_id, reports), Booked()
    for report in reports:
        row = known.get(report.client_id)
        if row is not None and _is_being_sent(row):
            booked.later.append(report)
        elif row is None or not _adds_nothing(row, report):
            _book(credential_id, report, booked, ours=row is not None)
    return booked


def _book(credential_id: UUID, report: VenueOrder, booked: Booked, *, ours: bool) -> None:
    counted = sum((fill.amount for fill in report.fills), ZERO)
    if ours and counted < report.filled:
        report = _with_fills(credential_id, report)
        booked.incomplete |= not report.fills
    heard = trading.absorb_report(credential_id, report, timezone.now())
    if heard is not None and heard.guards_due:
        booked.guards.add(heard.pair)


def _with_fills(credential_id: UUID, report: VenueOrder) -> VenueOrder:
    """The report with the fills that the exchange lists; with none when it can't be asked."""
    try:
        with using(Lane.RECONCILE), _line(credential_id) as venue:
            return replace(report, fills=tuple(venue.fills(report.pair, report.venue_order_id)))
    except TradebotError as error:
        log.info("stream_fills_not_read", order=report.client_id, error=type(error).__name__)
        return replace(report, fills=())


def _rows(credential_id: UUID, reports: Iterable[VenueOrder]) -> dict[str, _Row]:
    mine = Order.objects.filter(credential_id=credential_id, client_id__in=[report.client_id for report in reports])
    rows = mine.order_by().values_list("client_id", "status", "filled", "updated_at")
    return {client_id: _Row(status, filled, updated_at) for client_id, status, filled, updated_at in rows}


def _is_being_sent(row: _Row) -> bool:
    unanswered = row.status in {OrderStatus.INTENT, OrderStatus.SUBMITTING}
    return unanswered and timezone.now() - row.updated_at < SENDING


def _adds_nothing(row: _Row, report: VenueOrder) -> bool:
    """Most of what a stream tells is what the answer to our own request told before."""
    return row.filled == report.filled and row.status.lower() == report.status


def keep_guards(credential_id: UUID, pairs: Iterable[str]) -> None:
    """Bring the guards of these pairs in line with what was just bought or sold. What can't be done now is done by
    the reconciler."""
    with using(Lane.PROTECT), _line(credential_id) as venue:
        for pair in pairs:
            try:
                trading.keep_guards(venue=venue, credential_id=credential_id, pair=pair, now=timezone.now)
            except VenueError as error:
                log.warning("stream_guards_put_off", pair=pair, error=type(error).__name__)


def reconcile(credential_id: UUID) -> None:
    """Ask the exchange about everything of the account that is not at its end, as the reconciler does."""
    from workers import execute

    with using(Lane.RECONCILE), _line(credential_id):
        execute._reconcile(credential_id)


# --- prices ----------------------------------------------------------------------------------------------------------


def put_prices(name: str, tickers: Sequence[Ticker]) -> None:
    """Let every process know these prices."""
    from apps.exchanges.adapters import snapshots

    snapshots.put_tickers(name, tickers)


def put_depths(name: str, depths: Sequence[Depth]) -> None:
    """Let every process know these books."""
    from apps.exchanges.adapters import snapshots

    snapshots.put_depths(name, depths)


def guarded(name: str, pairs: Iterable[str]) -> list[tuple[UUID, str]]:
    """Accounts at this venue that guard what they hold of one of these pairs."""
    guards = Command.objects.filter(leg=Leg.PROTECT.value, state__in=_WORKING, exchange=name, pair__in=list(pairs))
    return list(guards.order_by().values_list("credential_id", "pair").distinct())


def on_price(credential_id: UUID, ticker: Ticker) -> None:
    """Let a guard that we watch ourselves act on a price. What can't be done now is due at the next price again."""
    try:
        with using(Lane.PROTECT), _line(credential_id) as venue:
            trading.on_price(venue=venue, credential_id=credential_id, ticker=ticker, now=timezone.now)
    except Exception as error:  # noqa: BLE001 - the trouble of one account must not end the prices of all
        log.warning("watched_guard_put_off", credential=str(credential_id), error=type(error).__name__)
