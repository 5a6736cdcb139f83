"""What the writes of trading share: clocks, outcomes, ids, and the lock that one account's money is decided under."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection

from apps.trading.domain.states import CommandState
from apps.trading.models import Command, Order
from tradebot.contracts.ids import stable_id

Clock = Callable[[], datetime]

SEND_WITHIN = timedelta(seconds=10)
"""An order not on the wire this long after its row was committed is not sent: it would outlive its deadline."""

PROOF_AFTER = timedelta(seconds=45)
"""Absence counts from then on: send window, the venue's receive window and engine time-out (10 s each), a margin."""

PROOF_MISSES = 3
MAX_ATTEMPTS = 3

EXIT_GRACE = timedelta(minutes=15)
"""A sale that was decided in time may leave this long after its signal expired: an outage keeps nobody in a position
at once, but what a post said hours ago sells nothing."""

LOCK = """
INSERT INTO trading_account (credential_id, user_id, sequence) VALUES (%s, %s, 1)
ON CONFLICT (credential_id) DO UPDATE SET sequence = trading_account.sequence + 1 RETURNING sequence
"""


class Overtaken(Exception):
    """Somebody else decided the same thing meanwhile; read again and carry on from there."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where a command stands after a call. `retry`: nothing was placed, and the same call may do it later."""

    command_id: UUID
    state: CommandState
    code: str = ""
    reason: str = ""
    order_id: UUID | None = None
    status: str = ""
    retry: bool = False


def lock(credential_id: UUID, user_id: UUID) -> int:
    """Lock the account's row until the transaction ends, made at first use; returns its new count.

    One statement: the upsert takes the same row lock as SELECT FOR UPDATE and moves the count that orders and balance
    snapshots are compared by.
    """
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [credential_id, user_id])
        return int(cursor.fetchone()[0])


def command_id(strategy_id: str, signal_id: str, leg: str) -> UUID:
    return stable_id("command", strategy_id, signal_id, leg)


def order_id(command: UUID, attempt: int) -> UUID:
    return stable_id("order", command, attempt)


def outcome(command: Command, order: Order | None = None, *, retry: bool = False) -> Outcome:
    return Outcome(
        command_id=command.pk,
        state=CommandState(command.state),
        code=command.code,
        reason=command.reason,
        order_id=order.pk if order else None,
        status=order.status if order else "",
        retry=retry,
    )
