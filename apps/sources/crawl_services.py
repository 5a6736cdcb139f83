"""Writes about a crawl: which sources are due, how one went, what it says is gone, and who listens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from apps.sources import leases, selectors, statements
from apps.sources.domain.clean import storable
from apps.sources.domain.identity import story_of
from apps.sources.models import Source
from tradebot.contracts.ports import Deletion
from tradebot.messaging.jsonb import as_jsonb

_LONGEST_PAUSE = timedelta(hours=1)
_NOTE_LIMIT = 2_000
_MOST_NOTES = 500
_SHORT = 300
_DELETIONS_AT_ONCE = 1_000
_DEATHS_FORGIVEN = 2


@dataclass(frozen=True, slots=True)
class Lag:
    """Seconds from a post's own time to its first sight here: of the newest post, and the median of all."""

    last: float
    p50: float


@dataclass(frozen=True, slots=True)
class Finished:
    """A crawl that went well. `state`: what its plugin wants back; `note`: what was dropped on the way; `notes`: what
    the plugin says by account or channel; `lag` only where posts came."""

    result: str
    state: Mapping[str, Any]
    note: str = ""
    notes: Mapping[str, str] = field(default_factory=dict)
    lag: Lag | None = None


@transaction.atomic
def due_sources(now: datetime, limit: int = 100) -> list[selectors.SourceView]:
    """Claim the enabled sources whose time has come and that nobody fetches: their next run is moved on, so nobody else
    claims them.

    A source whose fetch died with its node is due at once, the first two times; one that kills its nodes again and
    again pauses as one that fails.
    """
    wanted = (Q(next_run_at__lte=now) & leases.free(now)) | leases.abandoned(now)
    due = Source.objects.filter(wanted, enabled=True).order_by("next_run_at")
    claimed = list(due.select_for_update(skip_locked=True)[:limit])
    for row in claimed:
        row.next_run_at = now + timedelta(seconds=row.interval_seconds)
    resting = {row.pk for row in claimed if row.leased_until is not None and _note_death(row, now)}
    Source.objects.bulk_update(claimed, ["next_run_at", "leased_by", "leased_until", "failures", "last_error"])
    return [selectors.source_view(row) for row in claimed if row.pk not in resting]


def finish_crawl(*, name: str, now: datetime, finished: Finished, holder: str = "") -> bool:
    """Note that a crawl went well, and keep what its plugin wants back. False, and nothing is kept, when the lease of
    `holder` is not the source's any more."""
    told: dict[str, Any] = {
        "last_run_at": now,
        "last_result": storable(finished.result)[:200],
        "last_error": storable(finished.note)[:_NOTE_LIMIT],
        "failures": 0,
        "throttled_until": None,
        "state": dict(finished.state),
        "notes": _storable_notes(finished.notes),
    }
    if finished.lag:
        told |= {"lag_last_seconds": finished.lag.last, "lag_p50_seconds": finished.lag.p50}
    return _update(name, holder, told)


def throttle_crawl(*, name: str, now: datetime, until: datetime, reason: str, holder: str = "") -> bool:
    """Note that the source asked not to be asked before `until`: no failure of its own. A moment that is over means the
    usual pause."""
    row = Source.objects.filter(name=name).only("interval_seconds").first()
    if row is None:
        return False
    told: dict[str, Any] = {"last_run_at": now, "last_result": storable(f"throttled: {reason}")[:200], "last_error": ""}
    if until > now:
        told |= {"next_run_at": until, "throttled_until": until}
    else:
        told |= {"next_run_at": now + timedelta(seconds=row.interval_seconds), "throttled_until": None}
    return _update(name, holder, told)


@transaction.atomic
def fail_crawl(*, name: str, now: datetime, error: str, holder: str = "") -> None:
    """Note why a crawl failed; the pause until the next one doubles with every failure in a row, up to an hour."""
    row = _ours(name, holder).select_for_update().first()
    if row is None:
        return
    row.failures += 1
    row.last_run_at, row.last_result, row.last_error = now, "failed", storable(error)[:_NOTE_LIMIT]
    row.next_run_at, row.throttled_until = now + _pause(row), None
    row.save(update_fields=["failures", "last_run_at", "last_result", "last_error", "next_run_at", "throttled_until"])


def note_deletions(deletions: Sequence[Deletion]) -> int:
    """Note these posts as gone, in every revision: those that are recorded, and those still on their way here. Returns
    how many recorded revisions were marked."""
    seen: dict[Any, datetime] = {}
    for deletion in deletions:
        seen.setdefault(story_of(deletion), deletion.seen_at)
    stories, marked = list(seen), 0
    for start in range(0, len(stories), _DELETIONS_AT_ONCE):
        some = stories[start : start + _DELETIONS_AT_ONCE]
        statements.note_deletions({story: seen[story] for story in some})
        marked += statements.mark_deleted(some)
    return marked


# --- listeners -------------------------------------------------------------------------------------------------------


def begin_listening(*, name: str, now: datetime) -> None:
    """Somebody has begun to listen to the source."""
    Source.objects.filter(name=name).update(listening_since=now)


def end_listening(*, name: str, error: str = "") -> None:
    """Nobody listens any more, and why."""
    Source.objects.filter(name=name).update(listening_since=None, listen_error=storable(error)[:_NOTE_LIMIT])


def heard(*, name: str, state: Mapping[str, Any] | None, note: str = "", lag: Lag | None = None) -> None:
    """What a listener brought is with the broker: keep its `state` (None: it has not changed), and what was dropped."""
    told: dict[str, Any] = {"listen_error": storable(note)[:_NOTE_LIMIT]}
    if state is not None:
        told["listen_state"] = dict(state)
    if lag:
        told["lag_last_seconds"] = lag.last
    Source.objects.filter(name=name).update(**told)


# --- by hand ---------------------------------------------------------------------------------------------------------


def crawl_now(*, names: Sequence[str], now: datetime) -> int:
    """Make sources due at once, whatever they were waiting for; returns how many."""
    return Source.objects.filter(name__in=names).update(next_run_at=now, throttled_until=None)


def switch(*, names: Sequence[str], on: bool) -> int:
    """Enable or disable sources; returns how many were changed."""
    return Source.objects.filter(name__in=names, enabled=not on).update(enabled=on)


# --- pieces ----------------------------------------------------------------------------------------------------------


def _note_death(row: Source, now: datetime) -> bool:
    """The source's last crawl never ended. Returns whether it has to pause."""
    node = leases.node_of(row.leased_by) or row.leased_by
    row.failures += 1
    row.last_error = f"the crawl on {node} died on the way"[:_NOTE_LIMIT]
    row.leased_by, row.leased_until = "", None
    if row.failures <= _DEATHS_FORGIVEN:
        return False
    row.next_run_at = now + _pause(row)
    return True


def _update(name: str, holder: str, told: Mapping[str, Any]) -> bool:
    return bool(_ours(name, holder).update(**told))


def _ours(name: str, holder: str) -> Any:
    found = Source.objects.filter(name=name)
    return found.filter(leased_by=holder) if holder else found


def _pause(row: Source) -> timedelta:
    usual = timedelta(seconds=row.interval_seconds)
    return max(usual, min(usual * float(2 ** min(row.failures, 12)), _LONGEST_PAUSE))


def _storable_notes(notes: Mapping[str, str]) -> dict[str, str]:
    some = list(notes.items())[:_MOST_NOTES]
    cut: dict[str, str] = as_jsonb({str(key)[:_SHORT]: str(value)[:_SHORT] for key, value in some})
    return cut
