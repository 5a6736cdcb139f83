"""The execute stage: trade commands to orders at the exchange, one at a time; and the reconciler's round."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from django.conf import settings
from django.utils import timezone

from apps.accounts import selectors as accounts
from apps.accounts import services as vault
from apps.exchanges import selectors as venues
from apps.exchanges.adapters import connect
from apps.trading import services as trading
from tradebot.contracts.errors import InvalidField, NotConfigured, TradebotError, TransientError
from tradebot.contracts.messages import Message, TradeCommand
from tradebot.contracts.ports import Venue
from tradebot.contracts.values import Mode
from workers.stage import stage

KEEP_SECONDS = 60.0
VENUE_SECONDS = 5.0
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
_lines: OrderedDict[str, Line] = OrderedDict()


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
    refused = _refusal(command)
    if refused is not None:
        code, reason = refused
        trading.deny(command=command, code=code, reason=reason, now=timezone.now())
        return
    outcome = trading.execute(command=command, venue=line(command.credential_id), now=timezone.now)
    if outcome.retry:
        raise TransientError(f"command {outcome.command_id} was not placed: {outcome.reason or outcome.status}")


def _refusal(command: TradeCommand) -> tuple[str, str] | None:
    """Why `command` may not even be tried: (code, reason)."""
    account = accounts.credential(command.credential_id)
    if account is None:
        raise InvalidField("credential_id", f"{command.credential_id} is unknown; the strategy must name one of yours")
    if str(account.user_id) != command.user_id:
        return "foreign_credential", "the credential is not this user's; choose one of yours in the strategy"
    if account.status != ACTIVE:
        return "credential_not_active", f"the credential is {account.status}; its keys must be checked and accepted"
    venue = _venue(account.venue)
    if venue is None or command.exchange != account.venue:
        return "venue_closed", f"{command.exchange} is not enabled here, or not the credential's exchange"
    if command.mode == Mode.PAPER and not (venue.paper or venue.sandbox):
        return "paper_on_live", f"the strategy's mode is paper, but {venue.name} moves real money"
    if command.mode == Mode.LIVE and not _broker_confirms():
        return "broker_without_confirms", "live orders need RabbitMQ: set BROKER_URL to amqp://…"
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
    """This process's connection for an account, kept among the KEPT last used; its keys are compared every minute."""
    known = _lines.get(credential_id)
    if known is None or time.monotonic() - known.checked > KEEP_SECONDS:
        known = _renewed(credential_id, known)
        _lines[credential_id] = known
    _lines.move_to_end(credential_id)
    while len(_lines) > KEPT:
        _lines.popitem(last=False)
    return known.venue


def _renewed(credential_id: str, known: Line | None) -> Line:
    opened = vault.open_credential(credential_id)
    secret = opened.secret.reveal()
    keys = hashlib.sha256(f"{opened.venue}\0{opened.api_key}\0{secret}".encode()).digest()
    if known is not None and known.keys == keys:
        known.checked = time.monotonic()
        return known
    info = venues.venue(opened.venue)
    if info is None:
        raise NotConfigured(f"venue {opened.venue} is not enabled")
    return Line(connect(info, opened.api_key, secret), keys, time.monotonic())


def forget_lines() -> None:
    """Drop every connection of this process, and what it knows of venues."""
    _lines.clear()
    _venues.clear()


# --- the reconciler --------------------------------------------------------------------------------------------------


def reconcile_all(now: datetime | None = None) -> int:
    """Compare every account that has something unfinished with its exchange; at start-up and periodically.

    One account's trouble stops no other. Returns how many orders changed or were taken further.
    """
    moment = now or timezone.now()
    trading.expire_unstarted(moment)
    return sum(_reconcile(account.credential_id) for account in trading.orders_to_reconcile(moment))


def _reconcile(credential_id: UUID) -> int:
    try:
        found = trading.reconcile(venue=line(str(credential_id)), credential_id=credential_id, now=timezone.now)
    except (TradebotError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        log.warning("reconcile_failed", credential=str(credential_id), error=type(error).__name__)
        return 0
    return found.changed + found.resumed
