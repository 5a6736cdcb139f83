"""The reads of every decision, in SQL: composing them in the ORM takes seven times the processor (measured)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from apps.trading.domain.risk import Limits
from apps.trading.domain.states import LIVE
from apps.trading.models import Position
from apps.trading.services.outcomes import LOCK
from tradebot import sql
from tradebot.contracts.values import ZERO, KillSwitch

_LIVE = [status.value for status in LIVE]
_MINUTE = timedelta(minutes=1)

_ARRIVAL = """
SELECT coalesce((SELECT sequence FROM trading_account WHERE credential_id = %s), 0),
       EXISTS (SELECT 1 FROM trading_riskpolicy
               WHERE (user_id = %s OR user_id IS NULL) AND max_depth_share IS NOT NULL),
       EXISTS (SELECT 1 FROM trading_command WHERE id = %s)
"""
# PostgreSQL is to keep the plan, which takes it longer than the work: it does so if it sees the partial index (states
# written out) and expects few rows (a range with both ends, though the upper one is the largest number there is).
_ALIVE = ", ".join(f"'{status}'" for status in _LIVE)
# Of orders that ended since the balances were asked for only the sums matter: an account may have hundreds a second.
_PROMISES = f"""
SELECT pair, side, leg, status, sequence, reserved_quote, reserved_base, filled, average, created_at, amount - filled
FROM trading_order WHERE credential_id = %s AND status IN ({_ALIVE})
UNION ALL
SELECT pair, side, '', '', max(sequence), sum(reserved_quote + filled * coalesce(average, 0)), sum(reserved_base), 0,
       NULL, max(created_at), 0
FROM trading_order
WHERE credential_id = %s AND sequence > %s AND sequence < 9223372036854775807 AND status NOT IN ({_ALIVE})
GROUP BY pair, side
"""  # noqa: S608 - made of the names of states
_POSITION_FIELDS = (
    "id", "credential_id", "user_id", "coin", "quote", "amount", "cost_quote", "realised_quote", "entered_at",
    "updated_at",
)  # fmt: skip
_POSITION = f"""
SELECT {", ".join(_POSITION_FIELDS)} FROM trading_position WHERE credential_id = %s AND coin = %s AND quote = %s
"""  # noqa: S608 - made of the names above
# The position and the limits as one statement: each costs psycopg as long as PostgreSQL needs for it. A row for each
# policy, and one where there is none. Both ends of the range let PostgreSQL keep the plan, as above: 0.3 ms.
_CONTEXT = f"""
SELECT {", ".join(f"mine.{name}" for name in _POSITION_FIELDS)}, limits.*
FROM (VALUES (1)) AS always (there)
LEFT JOIN trading_position AS mine ON mine.credential_id = %s AND mine.coin = %s AND mine.quote = %s
LEFT JOIN (
    SELECT user_id, max_daily_loss, position_limit, cooling_period, blacklist, kill_switch,
           max_order_rate, max_depth_share, max_price_move,
           CASE WHEN max_order_rate IS NULL THEN 0 ELSE (
               SELECT count(*) FROM trading_order
               WHERE user_id = %s AND created_at > %s AND created_at < 'infinity' AND credential_id = %s
                   AND leg <> 'protect' AND status <> 'NOT_PLACED') END,
           coin.held, coin.entered_at
    FROM trading_riskpolicy, LATERAL (
        SELECT coalesce(sum(amount), 0), max(entered_at) FROM trading_position WHERE credential_id = %s AND coin = %s
    ) AS coin (held, entered_at)
    WHERE user_id = %s OR user_id IS NULL
) AS limits ON true
ORDER BY limits.user_id NULLS FIRST
"""  # noqa: S608 - made of the names above
_KILL_SWITCH = len(_POSITION_FIELDS) + 5


@dataclass(frozen=True, slots=True)
class Promise:
    """Another order of the same account, as far as it concerns what may be spent; those that ended since count as one
    for each pair and side, with what they spent in `reserved_quote` and neither leg nor status. `left`: coins that
    are not filled yet."""

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
    left: Decimal


@dataclass(frozen=True, slots=True)
class Stand:
    """What the account's own rows say and the limits on it, read under its lock. `sequence`: its count since then;
    `orders_lately`: its entries and exits of the last minute, counted only where a policy limits them; `coin_held` and
    `coin_entered_at`: of this coin, whatever it was bought with, known only where there is a policy."""

    sequence: int
    orders: Sequence[Promise]
    position: Position | None
    policies: Sequence[Limits]
    orders_lately: int = 0
    coin_held: Decimal = ZERO
    coin_entered_at: datetime | None = None

    @property
    def held(self) -> Decimal:
        return self.position.amount if self.position else ZERO


@dataclass(frozen=True, slots=True)
class Before:
    """What has to be known before the venue is asked: the account's count (0: never used), and whether a policy wants
    the book looked at."""

    sequence: int
    book: bool


def arrival(credential_id: UUID | str, user_id: UUID | str, command_id: UUID) -> sql.Reading[tuple[Before, bool]]:
    """What has to be known before the venue is asked, and whether the command is stored."""
    return sql.Reading((_ARRIVAL, [credential_id, user_id, command_id]), _arrived)


def before(credential_id: UUID, user_id: UUID) -> Before:
    """As `arrival`, of a command that is stored."""
    return arrival(credential_id, user_id, credential_id).now()[0]


def _arrived(rows: list[Any]) -> tuple[Before, bool]:
    sequence, book, stored = rows[0]
    return Before(sequence, book), stored


def locked_stand(credential_id: UUID, user_id: UUID, coin: str, quote: str, *, since: int, now: datetime) -> Stand:
    """Lock the account as `outcomes.lock` does, and read all that a decision about this coin needs.

    `orders` are those that are not at their end, or ended after the account's count was `since`; `policies` the
    platform's and the user's own, where there are any.
    """
    held_here = [credential_id, coin, quote]
    ((sequence,),), orders, rows = sql.together(
        (LOCK, [credential_id, user_id]),
        (_PROMISES, [credential_id, credential_id, since]),
        (_CONTEXT, [*held_here, user_id, now - _MINUTE, credential_id, credential_id, coin, user_id]),
    )
    position = [rows[0][: len(_POSITION_FIELDS)]] if rows[0][0] is not None else []
    policies = [row[len(_POSITION_FIELDS) :] for row in rows if row[_KILL_SWITCH] is not None]
    counted, limits = [row[-3:] for row in policies], [_limits(row[:-3]) for row in policies]
    lately = max((count for count, _, _ in counted), default=0)
    held, entered_at = counted[0][1:] if counted else (ZERO, None)
    return Stand(sequence, [Promise(*row) for row in orders], _position(position), limits, lately, held, entered_at)


def locked_position(credential_id: UUID, user_id: UUID, coin: str, quote: str) -> tuple[int, Position | None]:
    """Lock the account as `outcomes.lock` does; its new count, and its row for this coin."""
    ((sequence,),), position = sql.together(
        (LOCK, [credential_id, user_id]),
        (_POSITION, [credential_id, coin, quote]),
    )
    return sequence, _position(position)


def position(credential_id: UUID, coin: str, quote: str) -> Position | None:
    """The account's row for this coin."""
    return _position(sql.together((_POSITION, [credential_id, coin, quote]))[0])


def _position(rows: Sequence[Any]) -> Position | None:
    return Position.from_db(connection.alias, _POSITION_FIELDS, rows[0]) if rows else None


def _limits(row: Sequence[Any]) -> Limits:
    owner, max_daily_loss, position_limit, cooling_period, blacklist, kill_switch, rate, share, move = row
    return Limits(
        scope="user" if owner else "platform",
        max_daily_loss=max_daily_loss,
        position_limit=position_limit,
        order_rate=rate,
        depth_share=share,
        price_move=move,
        cooling=timedelta(minutes=cooling_period),
        blacklist=frozenset(json.loads(blacklist)),
        kill_switch=KillSwitch(kill_switch),
    )
