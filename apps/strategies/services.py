"""Writes of strategies: saving and deleting them, taking cool-downs, and recording what each decided."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from apps.accounts import selectors as accounts
from apps.strategies import selectors
from apps.strategies.domain.cooling import Claim
from apps.strategies.domain.matching import NO_CHOICE, choices, mode_refusal
from apps.strategies.domain.spec import DEFAULTS, StrategySpec, parse_spec
from apps.strategies.models import Cooldown, Match, Strategy, StrategyVersion
from apps.strategies.selectors import StrategyView, view
from tradebot import sql
from tradebot.contracts.errors import InvalidField
from tradebot.contracts.values import Mode

SPEC_DEPTH = 3
"""Objects in objects of a strategy, at most: `actions.bullish.percentage`. The parser refuses what is deeper."""

# --- saving ----------------------------------------------------------------------------------------------------------


@transaction.atomic
def create(*, user_id: UUID, raw: Mapping[str, Any], author_id: UUID | None = None) -> StrategyView:
    """Save a new strategy of a user. Raises InvalidField (InvalidFields: every broken rule) and saves nothing."""
    said = {**DEFAULTS, "watch_list": {}, **raw}
    row = Strategy(user_id=user_id)
    return _save(row, said, author_id or user_id)


@transaction.atomic
def update(*, strategy_id: UUID, changes: Mapping[str, Any], author_id: UUID) -> StrategyView:
    """Save a new version: `changes` is a JSON merge patch (RFC 7396): objects merge, null removes, lists replace.

    Raises InvalidField, and Strategy.DoesNotExist for one that is deleted. The same again makes no version.
    """
    return _revise(strategy_id, lambda old: _patched(old, changes), author_id)


@transaction.atomic
def replace(*, strategy_id: UUID, raw: Mapping[str, Any], author_id: UUID) -> StrategyView:
    """Save a new version that says just this. Raises as `update` does."""
    return _revise(strategy_id, lambda _: raw, author_id)


@transaction.atomic
def delete(*, strategy_id: UUID) -> None:
    """Stop a strategy for good. Its row stays, for the commands it gave; it is seen no more."""
    Strategy.objects.filter(pk=strategy_id, deleted_at=None).update(enabled=False, deleted_at=timezone.now())


def check(*, user_id: UUID, raw: Mapping[str, Any]) -> StrategySpec:
    """Whether a user may save this. Raises InvalidField; InvalidFields carries every broken rule."""
    spec = parse_spec(raw)
    _check_account(user_id, spec)
    return spec


def _revise(
    strategy_id: UUID, change: Callable[[Mapping[str, Any]], Mapping[str, Any]], author_id: UUID
) -> StrategyView:
    row = Strategy.objects.select_for_update().get(pk=strategy_id, deleted_at=None)
    old = StrategyVersion.objects.get(strategy=row, number=row.version).spec
    said = {**DEFAULTS, "watch_list": {}, **change(old)}
    if said == old:
        return view(row, old)
    row.version += 1
    return _save(row, said, author_id)


def _save(row: Strategy, said: dict[str, Any], author_id: UUID) -> StrategyView:
    spec = check(user_id=row.user_id, raw=said)
    row.name = said["name"] = spec.name or _name(spec)
    said["time_windows"] = _in_own_zone(row.user_id, said["time_windows"])
    row.enabled, row.mode, row.credential_id = spec.enabled, spec.mode, spec.credential_id
    row.save()
    StrategyVersion.objects.create(strategy=row, number=row.version, spec=said, author_id=author_id)
    return view(row, said)


def _check_account(user_id: UUID, spec: StrategySpec) -> None:
    if spec.mode is Mode.LIVE and not settings.BROKER_URL.startswith(("amqp://", "amqps://")):
        raise InvalidField("mode", "live needs a broker that confirms: run on RabbitMQ, or choose another mode")
    if spec.venue:
        if not choices(spec.venue, spec.mode, selectors.all_accounts_of([user_id]).get(user_id, ())):
            raise InvalidField("venue", f"{NO_CHOICE}; see GET credentials")
        return
    key = (user_id, spec.credential_id)
    chosen = selectors.accounts_of([key]).get(key) if spec.credential_id else None
    if spec.credential_id and not chosen:
        raise InvalidField("credential_id", "is not one of the user's active credentials; see GET credentials")
    if refusal := mode_refusal(spec.mode, paper=chosen.paper if chosen else True):
        raise InvalidField("mode", refusal)


def _in_own_zone(user_id: UUID, windows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Where a window names no time zone, the user's is meant; the version says so, should the user move."""
    if not windows:
        return []
    user = accounts.user(user_id)
    return [{"time_zone": user.time_zone if user else "UTC", **window} for window in windows]


def _patched(old: object, changes: Mapping[str, Any], depth: int = SPEC_DEPTH) -> dict[str, Any]:
    merged = dict(old) if isinstance(old, Mapping) else {}
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping) and depth > 1:
            merged[key] = _patched(merged.get(key), value, depth - 1)
        else:
            merged[key] = value
    return merged


def _name(spec: StrategySpec) -> str:
    watched = spec.watch_list
    names = sorted(watched.twitter_users | watched.telegram_groups | watched.feeds) or ["any source"]
    words = [", ".join(part) for part in (names, watched.keywords, sorted(watched.coins)) if part]
    return ": ".join(words)[:120]


# --- deciding --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Decision:
    """What one strategy decided about one signal; `command` in wire form if it matched."""

    strategy_id: UUID
    signal_id: UUID
    version: int
    reason: str = ""
    detail: str = ""
    coin: str = ""
    pair: str = ""
    command: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Earlier:
    """What was decided before. `commands`: those that each signal gave which was decided about, in wire form, possibly
    none. `acted`: the (strategy, story) of every command that still stands for its story."""

    commands: dict[UUID, list[dict[str, Any]]]
    acted: set[tuple[UUID, UUID]]


def lock_signals(signal_ids: Collection[UUID], stories: Collection[UUID] = ()) -> Earlier:
    """Until the transaction ends nobody else decides about these signals, or about others of these stories: of two
    deliveries one decides, one reads, and of two posts that tell one story one acts.

    A sale stands for its story until the strategy buys the coin again: what is bought later must still be sold.
    """
    asked = {*signal_ids, *stories}
    keys = sorted({int.from_bytes(each.bytes[:8], "big", signed=True) for each in asked})
    # Statements of their own: only those that begin after the lock see what its last holder wrote.
    _, decided, acted = sql.together(
        (_LOCK, [keys]), (_DECIDED, [list(signal_ids)]), (_ACTED, [list(stories), list(signal_ids)])
    )
    return Earlier({signal: json.loads(commands or "[]") for signal, commands in decided}, set(acted))


def claim_cooldowns(claims: Sequence[Claim], now: datetime) -> set[tuple[UUID, str]]:
    """Take every (strategy, coin) that cools down no longer, in one statement; the answer says which."""
    # Everybody takes rows in the same order, so that no two wait for each other.
    ordered = sorted(claims, key=lambda claim: (claim.strategy_id, claim.coin))
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [_rows(ordered), now])
        return set(cursor.fetchall())


def record_matches(decisions: Sequence[Decision], now: datetime) -> None:
    """Write decisions; one that was recorded before stays as it was."""
    if decisions:
        with connection.cursor() as cursor:
            cursor.execute(_RECORD, [now, _rows(decisions)])


def prune(*, before: datetime) -> int:
    """Forget decisions older than `before`, and cool-downs that ended before it; returns how many rows went."""
    gone, _ = Match.objects.filter(created_at__lt=before).delete()
    ended, _ = Cooldown.objects.filter(until__lt=before).delete()
    return gone + ended


def _rows(items: Sequence[Claim] | Sequence[Decision]) -> str:
    """As one parameter: ten thousand rows of single ones take psycopg longer than PostgreSQL."""
    return msgspec.json.encode(items).decode()


_SIGNALS = Match.signal.field.related_model._meta.db_table
_LOCK = "SELECT count(pg_advisory_xact_lock(key)) FROM unnest(%s::bigint[]) AS key"

_DECIDED = f"""
SELECT asked.id, (SELECT json_agg(given.command ORDER BY given.id) FROM {Match._meta.db_table} AS given
                  WHERE given.signal_id = asked.id AND given.matched)::text
FROM unnest(%s::uuid[]) AS asked (id)
WHERE EXISTS (SELECT 1 FROM {Match._meta.db_table} WHERE signal_id = asked.id)
"""  # noqa: S608 - the table's name is ours

# Shadows are left out: what ordered nothing real must not keep an honest post from acting.
_ACTED = f"""
SELECT given.strategy_id, told.cluster_id
FROM {_SIGNALS} AS told JOIN {Match._meta.db_table} AS given ON given.signal_id = told.id
WHERE told.cluster_id = ANY(%s::uuid[]) AND NOT told.id = ANY(%s::uuid[]) AND told.shadow = '' AND given.matched
  AND NOT (given.command ->> 'leg' <> 'entry' AND EXISTS (
    SELECT 1 FROM {Match._meta.db_table} AS later
    WHERE later.strategy_id = given.strategy_id AND later.created_at > given.created_at AND later.matched
      AND later.coin = given.coin AND later.command ->> 'leg' = 'entry' AND later.command ->> 'mode' <> 'shadow'))
"""  # noqa: S608 - the tables' names are ours

_CLAIM = f"""
INSERT INTO {Cooldown._meta.db_table} AS held (strategy_id, coin, until)
SELECT * FROM json_to_recordset(%s) AS asked (strategy_id uuid, coin text, until timestamptz)
ON CONFLICT (strategy_id, coin) DO UPDATE SET until = EXCLUDED.until WHERE held.until <= %s
RETURNING strategy_id, coin
"""  # noqa: S608 - the table's name is ours

_RECORD = f"""
INSERT INTO {Match._meta.db_table}
  (strategy_id, signal_id, version, matched, reason, detail, coin, pair, command, created_at)
SELECT strategy_id, signal_id, version, reason = '', reason, left(detail, 300), coin, pair, command, %s
FROM json_to_recordset(%s) AS said (strategy_id uuid, signal_id uuid, version int, reason text, detail text,
                                    coin text, pair text, command jsonb)
ON CONFLICT (strategy_id, signal_id) DO NOTHING
"""  # noqa: S608 - the table's name is ours
