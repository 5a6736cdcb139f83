"""The execute stage: trade commands to orders at the exchange, one at a time; and the reconciler's round."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import connection
from django.utils import timezone

from apps.accounts import selectors as accounts
from apps.accounts import services as vault
from apps.accounts.selectors import CredentialView
from apps.exchanges import selectors as venues
from apps.exchanges.adapters import connect
from apps.trading import services as trading
from apps.trading.domain.sizing import Denial
from apps.trading.models import Command
from tradebot import sql
from tradebot.contracts.errors import InvalidField, NotConfigured, TradebotError, TransientError, VenueUnavailable
from tradebot.contracts.messages import Message, TradeCommand
from tradebot.contracts.ports import Venue
from tradebot.contracts.values import Mode
from workers.stage import stage

KEEP_SECONDS = 60.0
VENUE_SECONDS = 5.0
COMMAND_SECONDS = 60.0
"""After so long a command asks its venue nothing more: in a thread no time limit of Celery's would end it."""
ACCOUNT_SECONDS = 20.0
ROUND_SECONDS = 90.0
"""Well under the task's own limit: an account's last request may take some seconds more."""
ROUND_LOCK = 7_290_001
"""Number of PostgreSQL's advisory lock that a round of the reconciler holds."""
KEPT = 256
ACTIVE = "active"

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Line:
    """An open connection, the fingerprint of the keys it was made with, and when they were last compared."""

    venue: Venue
    keys: bytes
    checked: float


_venues: dict[str, tuple[float, venues.VenueInfo | None]] = {}


class _Own(threading.local):
    """What each thread has for itself: a connection serves one at a time."""

    def __init__(self) -> None:
        self.lines: OrderedDict[str, Line] = OrderedDict()


_own = _Own()


@stage("execute")
def execute(batch: list[TradeCommand]) -> list[Message]:
    """Carry every command out; nothing is published. Raises the last TransientError after the others are through."""
    failure: TransientError | None = None
    for command in batch:
        try:
            _execute(command)
        except TransientError as error:
            failure = error
    if failure is not None:
        raise failure
    return []


def _execute(command: TradeCommand) -> None:
    account, known = sql.both(accounts.reading_credential(command.credential_id), trading.arrival(command))
    refused = _refusal(account, command.credential_id, command.user_id, command.exchange, command.mode)
    if refused is not None:
        trading.deny(command=command, code=refused.code, reason=refused.reason, now=timezone.now())
        return
    venue = cast(Venue, Hurried(line(command.credential_id), COMMAND_SECONDS))
    outcome = trading.execute(command=command, venue=venue, now=timezone.now, permit=_permit, known=known)
    if outcome.retry:
        raise TransientError(f"command {outcome.command_id} was not placed: {outcome.reason or outcome.status}")


def _refusal(
    account: CredentialView | None, credential_id: str, user_id: str, exchange: str, mode: Mode
) -> Denial | None:
    """Why a command on this account may not even be tried."""
    if account is None:
        raise InvalidField("credential_id", f"{credential_id} is unknown; the strategy must name one of yours")
    if str(account.user_id) != user_id:
        return Denial("foreign_credential", "the credential is not this user's; choose one of yours in the strategy")
    if account.status != ACTIVE:
        why = f" ({account.reason})" if account.reason else ""
        return Denial(
            "credential_not_active", f"the credential is {account.status}{why}; its keys must be checked and accepted"
        )
    if not account.owner_is_active:
        return Denial("user_not_active", "the user was deactivated; an operator must activate them again")
    return _closed(account.venue, exchange, mode)


def _closed(credentials_venue: str, exchange: str, mode: Mode) -> Denial | None:
    """Why nothing may be traded at this venue in this mode."""
    venue = _venue(credentials_venue)
    if venue is None or exchange != credentials_venue:
        return Denial("venue_closed", f"{exchange} is not enabled here, or not the credential's exchange")
    if mode == Mode.PAPER and not (venue.paper or venue.sandbox):
        return Denial("paper_on_live", f"the strategy's mode is paper, but {venue.name} moves real money")
    if mode == Mode.LIVE and not _broker_confirms():
        return Denial("broker_without_confirms", "live orders need RabbitMQ: set BROKER_URL to amqp://…")
    return None


def _venue(name: str) -> venues.VenueInfo | None:
    """The enabled venue of that name, as it was at most VENUE_SECONDS ago."""
    read_at, known = _venues.get(name, (-VENUE_SECONDS, None))
    if time.monotonic() - read_at > VENUE_SECONDS:
        known = venues.venue(name)
        _venues[name] = (time.monotonic(), known)
    return known


def _broker_confirms() -> bool:
    return str(settings.BROKER_URL).startswith(("amqp://", "amqps://"))


# --- connections -----------------------------------------------------------------------------------------------------


def line(credential_id: str) -> Venue:
    """This thread's connection for an account, kept among the KEPT last used; its keys are compared every minute."""
    lines = _own.lines
    known = lines.get(credential_id)
    if known is None or time.monotonic() - known.checked > KEEP_SECONDS:
        known = _renewed(credential_id, known)
        lines[credential_id] = known
    lines.move_to_end(credential_id)
    while len(lines) > KEPT:
        lines.popitem(last=False)
    return known.venue


def _renewed(credential_id: str, known: Line | None) -> Line:
    opened = vault.open_credential(credential_id)
    secret, passphrase = opened.secret.reveal(), opened.passphrase.reveal()
    keys = hashlib.sha256(f"{opened.venue}\0{opened.api_key}\0{secret}\0{passphrase}".encode()).digest()
    if known is not None and known.keys == keys:
        known.checked = time.monotonic()
        return known
    info = venues.venue(opened.venue)
    if info is None:
        raise NotConfigured(f"venue {opened.venue} is not enabled")
    return Line(connect(info, opened.api_key, secret, passphrase), keys, time.monotonic())


def forget_lines() -> None:
    """Drop every connection of this thread, and what it knows of venues."""
    _own.lines.clear()
    _venues.clear()


# --- the reconciler --------------------------------------------------------------------------------------------------


def reconcile_all(now: datetime | None = None) -> int:
    """Compare every account that has something unfinished with its exchange; at start-up and periodically.

    One account's trouble stops no other, and a venue that hangs keeps none from its turn: who waited longest comes
    first, each gets ACCOUNT_SECONDS, and what is left after ROUND_SECONDS is first in the next round. Returns how many
    orders changed or were taken further; 0 at once while another round is under way.
    """
    with _alone() as mine:
        return _all(now or timezone.now()) if mine else 0


@contextmanager
def _alone() -> Iterator[bool]:
    """Whether this is the only round: two would leave no process for orders."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [ROUND_LOCK])
        mine = bool(cursor.fetchone()[0])
        try:
            yield mine
        finally:
            if mine:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [ROUND_LOCK])


def _all(moment: datetime) -> int:
    ends = time.monotonic() + ROUND_SECONDS
    trading.expire_unstarted(moment)
    waiting, hung, done = deque(trading.orders_to_reconcile(moment)), set[str](), 0
    put_off: deque[trading.Account] = deque()
    while (waiting or put_off) and time.monotonic() < ends:
        account = waiting.popleft() if waiting else put_off.popleft()
        if account.exchange in hung and waiting:
            put_off.append(account)
            continue
        done += _turn(account, moment, hung)
    if left := len(waiting) + len(put_off):
        log.warning("reconcile_round_unfinished", accounts_left=left, slow=sorted(hung))
    return done


def _turn(account: trading.Account, moment: datetime, hung: set[str]) -> int:
    """One account's turn; notes in `hung` the exchange of one that took too long."""
    trading.note_visit(account, moment)
    began = time.monotonic()
    try:
        return _reconcile(account.credential_id)
    except SoftTimeLimitExceeded:
        log.error("reconcile_out_of_time", credential=str(account.credential_id), exchange=account.exchange)
        raise
    finally:
        if time.monotonic() - began > ACCOUNT_SECONDS:
            log.warning("reconcile_slow", credential=str(account.credential_id), exchange=account.exchange)
            hung.add(account.exchange)


def _reconcile(credential_id: UUID) -> int:
    try:
        venue = cast(Venue, Hurried(line(str(credential_id)), ACCOUNT_SECONDS))
        found = trading.reconcile(venue=venue, credential_id=credential_id, now=timezone.now, permit=_permit)
    except (TradebotError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        log.warning("reconcile_failed", credential=str(credential_id), error=type(error).__name__)
        return 0
    return found.changed + found.resumed


def _permit(command: Command) -> Denial | None:
    """Why an entry may not be tried again: all that the first attempt had to pass, and the keys of then."""
    key = str(command.credential_id)
    refused = _refusal(accounts.credential(key), key, str(command.user_id), command.exchange, Mode(command.mode))
    if refused is not None:
        return refused
    accepted_at = vault.open_credential(key).accepted_at
    if accepted_at is not None and accepted_at > command.created_at:
        return Denial("keys_changed", "the account's keys were replaced since; they may be another account's")
    return None


class Hurried:
    """A venue that is asked for so many seconds and is unavailable from then on."""

    def __init__(self, venue: Venue, seconds: float) -> None:
        self._venue = venue
        self._ends = time.monotonic() + seconds
        self.name = venue.name
        self.features = venue.features

    def __getattr__(self, name: str) -> Any:
        if time.monotonic() > self._ends:
            raise VenueUnavailable(f"{self.name} answers so slowly that this account's time is over for this round")
        return getattr(self._venue, name)
