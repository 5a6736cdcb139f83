"""The reads of every decision, in SQL: composing them in the ORM takes seven times the processor (measured)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from apps.trading.domain.risk import Limits
from apps.trading.domain.states import LIVE
from apps.trading.models import Position
from tradebot.contracts.values import KillSwitch

_LIVE = [status.value for status in LIVE]

_ARRIVAL = """
SELECT coalesce((SELECT sequence FROM trading_account WHERE credential_id = %s), 0),
       EXISTS (SELECT 1 FROM trading_command WHERE id = %s)
"""
_PROMISES = """
SELECT pair, side, leg, status, sequence, reserved_quote, reserved_base, filled, average, created_at
FROM trading_order WHERE credential_id = %s AND (status = ANY(%s) OR sequence > %s)
"""
_POLICIES = """
SELECT user_id, max_daily_loss, position_limit, cooling_period, blacklist, kill_switch
FROM trading_riskpolicy WHERE user_id = %s OR user_id IS NULL ORDER BY user_id NULLS FIRST
"""
_POSITION_FIELDS = (
    "id", "credential_id", "user_id", "coin", "quote", "amount", "cost_quote", "realised_quote", "entered_at",
    "updated_at",
)  # fmt: skip
_POSITION = f"""
SELECT {", ".join(_POSITION_FIELDS)} FROM trading_position WHERE credential_id = %s AND coin = %s AND quote = %s
"""  # noqa: S608 - made of the names above


@dataclass(frozen=True, slots=True)
class Promise:
    """Another order of the same account, as far as it concerns what may be spent."""

    pair: str
    side: str
    leg: str
    status: str
    sequence: int
    reserved_quote: Decimal
    reserved_base: Decimal
    filled: Decimal
    average: Decimal | None
    created_at: datetime


def arrival(credential_id: UUID | str, command_id: UUID) -> tuple[int, bool]:
    """The account's count (0: never used), and whether the command is stored."""
    ((sequence, stored),) = _rows(_ARRIVAL, [credential_id, command_id])
    return sequence, stored


def promises(credential_id: UUID, since: int) -> list[Promise]:
    """The account's orders that are not at their end, or changed after its count was `since`."""
    return [Promise(*row) for row in _rows(_PROMISES, [credential_id, _LIVE, since])]


def policies(user_id: UUID) -> list[Limits]:
    """The platform's policy and the user's own, where there are any."""
    return [
        Limits(
            scope="user" if owner else "platform",
            max_daily_loss=max_daily_loss,
            position_limit=position_limit,
            cooling=timedelta(minutes=cooling_period),
            blacklist=frozenset(json.loads(blacklist)),
            kill_switch=KillSwitch(kill_switch),
        )
        for owner, max_daily_loss, position_limit, cooling_period, blacklist, kill_switch in _rows(_POLICIES, [user_id])
    ]


def position(credential_id: UUID, coin: str, quote: str) -> Position | None:
    """The account's row for this coin."""
    found = _rows(_POSITION, [credential_id, coin, quote])
    return Position.from_db(connection.alias, _POSITION_FIELDS, found[0]) if found else None


def _rows(sql: str, params: list[Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())
