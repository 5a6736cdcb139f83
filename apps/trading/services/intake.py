"""Commands coming in: stored once, whatever is delivered twice, and closed when nothing is to be ordered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.trading.domain.inputs import moment, storable
from apps.trading.domain.states import CommandState
from apps.trading.models import Command
from apps.trading.services import reads
from apps.trading.services.outcomes import Outcome, command_id, outcome
from apps.trading.services.reads import Before
from tradebot import sql
from tradebot.contracts.errors import InvalidField
from tradebot.contracts.messages import TradeCommand, to_wire
from tradebot.contracts.values import ConditionKind

LONGEST_NAME = 200
GIVEN = ("venues", "signal_price")
"""What a command brings along for its decision, kept there over all attempts."""

Arrival = tuple[Before, bool]
"""What is to be known before the venue is asked, and whether the command is stored."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A command's row, whether it was stored before, and what is to be known before its venue is asked."""

    row: Command
    stored: bool
    before: Before


def arrival(message: TradeCommand) -> sql.Reading[Arrival]:
    """What `receive` has to know, as a question that can travel with others. Raises InvalidField for what is no id."""
    _check(message)
    return reads.arrival(message.credential_id, message.user_id, _key(message))


def receive(message: TradeCommand, now: datetime, known: Arrival | None = None) -> Arrived:
    """The stored row of `message`, or a new one that is not stored yet: its decision stores it, or `store` does.
    `known`: the answer to `arrival`, if it was asked just now."""
    before, stored = known or arrival(message).now()
    return Arrived(Command.objects.get(pk=_key(message)) if stored else _row(message, now), stored, before)


def _key(message: TradeCommand) -> UUID:
    return command_id(message.strategy_id, message.signal_id, message.leg.value)


def store(row: Command) -> Command:
    """Keep `row` as it is, unless somebody stored the same command meanwhile; returns what is stored."""
    if not row._state.adding:
        return row
    Command.objects.bulk_create([row], ignore_conflicts=True)
    return Command.objects.get(pk=row.pk)


def put_off(row: Command, why: str) -> None:
    """Keep an undecided command and what it waits for: who finds it expired can say so."""
    row.reason = why[:500]
    if not row._state.adding:
        Command.objects.filter(pk=row.pk, state=CommandState.RECEIVED).update(reason=row.reason)
    store(row)


def _row(message: TradeCommand, now: datetime) -> Command:
    """What is too long or too large for a row is cut: it is denied for what the message says."""
    raw = to_wire(message)
    return Command(
        id=_key(message),
        user_id=message.user_id,
        credential_id=message.credential_id,
        strategy_id=message.strategy_id,
        signal_id=message.signal_id,
        exchange=message.exchange[:40],
        mode=message.mode.value,
        leg=message.leg.value,
        action=message.action.value,
        pair=message.pair[:41],
        amount_type=message.amount_type.value,
        amount=storable(message.amount),
        conditions=raw["conditions"],
        decision=_given(raw),
        expires_at=_expiry(message),
        root_id=message.root_id,
        stages=raw["stages"],
        seen_at=message.seen_at,
        created_at=now,
    )


def _check(message: TradeCommand) -> None:
    for name in ("user_id", "credential_id"):
        try:
            UUID(getattr(message, name))
        except ValueError:
            raise InvalidField(name, f"{getattr(message, name)!r} is no UUID") from None
    for name in ("strategy_id", "signal_id", "root_id"):
        if len(getattr(message, name)) > LONGEST_NAME:
            raise InvalidField(name, f"has more than {LONGEST_NAME} characters")


def _expiry(message: TradeCommand) -> datetime:
    """The earlier one, where a condition names a moment of its own."""
    named = [moment(one.value) for one in message.conditions if one.kind == ConditionKind.EXPIRES_AT]
    return min([message.expires_at, *(at for at in named if at is not None)])


def _given(raw: dict[str, Any]) -> dict[str, Any]:
    """What the command brings along for its decision and its receipt."""
    return {name: raw[name] for name in GIVEN if raw.get(name)}


def deny(*, command: TradeCommand, code: str, reason: str, now: datetime) -> Outcome:
    """Store `command` as DENIED with this reason, unless it was decided before."""
    row = receive(command, now).row
    if row.state == CommandState.RECEIVED:
        row = close(row, CommandState.DENIED, code, reason, now)
    return outcome(row)


def close(row: Command, state: CommandState, code: str, reason: str, now: datetime, **more: Any) -> Command:
    """End `row` in `state`, stored, unless its state changed since it was read; returns what is stored now."""
    known = row.state
    changes = {"state": state.value, "code": code[:40], "reason": reason[:500], **more}
    changes["decided_at"] = row.decided_at or now
    for name, value in changes.items():
        setattr(row, name, value)
    if row._state.adding:
        return store(row)
    mine = Command.objects.filter(pk=row.pk, state=known).update(**changes)
    return row if mine else Command.objects.get(pk=row.pk)
