"""The crawlers' configuration becomes rows: what it names is made or changed, what it no longer names is disabled."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.db import connection, transaction
from django.db.models import F, QuerySet

from apps.sources.adapters.registry import config_model, crawler_names, load_crawler
from apps.sources.domain.clean import storable
from apps.sources.domain.config_source import Reading
from apps.sources.domain.crawler_config import InvalidConfig, SourceSpec, read
from apps.sources.models import Source
from apps.sources.models_config import ConfigStatus
from tradebot.contracts.errors import InvalidField

_LEADER = int.from_bytes(hashlib.sha256(b"tradebot crawler configuration").digest()[:8]) >> 1
_STATUS = 1
_REASON_LIMIT = 4_000
_FIELDS = ("managed_by", "kind", "url", "config", "enabled", "interval_seconds")


@dataclass(frozen=True, slots=True)
class Applied:
    """Names of the sources that were made, changed, and switched off."""

    created: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.created or self.changed or self.disabled)


def check(text: str) -> list[SourceSpec]:
    """The sources that a configuration names, held against the models of the installed crawlers. Raises
    InvalidConfig."""
    return read(text, crawler_names(), _model_of)


def _model_of(kind: str) -> type[msgspec.Struct] | None:
    if load_crawler(kind) is None:
        raise LookupError(kind)
    return config_model(kind)


def leading() -> bool:
    """Whether this database session is the one that applies configurations. It is until it ends; others wait."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LEADER])
        (leads,) = cursor.fetchone()
    return bool(leads)


def apply(*, reading: Reading, specs: Sequence[SourceSpec], address: str, now: datetime) -> Applied:
    """Make the managed sources what `specs` say, whatever the admin made of them meanwhile. Sources that were made by
    hand stay as they are; InvalidConfig when one of them has a name that is wanted, and then nothing is changed."""
    wanted = {spec.name: spec for spec in specs}
    # Most of the time nothing has changed, and then nobody waits for a row.
    if in_force() == digest(reading.text) and not _plan(wanted, _sources(), address, now):
        return Applied()
    with transaction.atomic():
        plan = _plan(wanted, _sources().select_for_update(), address, now)
        plan.carry_out()
        _note_loaded(reading, len(specs), address, now)
    return plan.names


def refuse(*, address: str, reason: str, watcher: str, now: datetime, again: bool = False) -> None:
    """Note why what stands there now is not in force. `again`: it was noted before, and is not counted twice."""
    row, _ = ConfigStatus.objects.get_or_create(pk=_STATUS, defaults={"source": address[:500]})
    told: dict[str, Any] = {"last_error": storable(reason)[:_REASON_LIMIT], "watcher": watcher, "source": address[:500]}
    if not (again and row.last_error):
        told |= {"failed_at": now, "failures": F("failures") + 1}
    ConfigStatus.objects.filter(pk=row.pk).update(**told)


def confirm(*, reading: Reading, address: str, watcher: str, now: datetime) -> None:
    """What is in force is what its keeper says now."""
    ConfigStatus.objects.filter(pk=_STATUS).update(
        source=address[:500],
        revision=reading.revision[:100],
        watcher=watcher,
        checked_at=now,
        last_error="",
        failed_at=None,
    )


def in_force() -> str:
    """The digest of the configuration that was applied last, by whichever process; empty when none was yet."""
    return ConfigStatus.objects.filter(pk=_STATUS).values_list("digest", flat=True).first() or ""


def keeper_of(address: str) -> str:
    """What a row that this configuration makes is managed by."""
    return Source.ManagedBy.ETCD if address.startswith("etcd") else Source.ManagedBy.FILE


def digest(text: str) -> str:
    """What tells one configuration from another."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Plan:
    """Rows as they are to be: new ones, changed ones, and those that are switched off."""

    made: list[Source]
    changed: list[Source]
    dropped: list[Source]

    def __bool__(self) -> bool:
        return bool(self.made or self.changed or self.dropped)

    @property
    def names(self) -> Applied:
        return Applied(*(tuple(sorted(row.name for row in rows)) for rows in (self.made, self.changed, self.dropped)))

    def carry_out(self) -> None:
        Source.objects.bulk_create(self.made)
        rows = [*self.changed, *self.dropped]
        Source.objects.bulk_update(rows, [*_FIELDS, "next_run_at", "failures"], batch_size=500)


def _plan(wanted: Mapping[str, SourceSpec], found: QuerySet[Source], address: str, now: datetime) -> _Plan:
    rows, keeper = {row.name: row for row in found}, keeper_of(address)
    _require_free(wanted, rows)
    made = [_row(spec, keeper, now) for spec in wanted.values() if spec.enabled and spec.name not in rows]
    managed = [row for row in rows.values() if not _by_hand(row)]
    changed = [row for row in managed if row.name in wanted and _change(row, wanted[row.name], keeper, now)]
    dropped = [row for row in managed if row.name not in wanted and row.enabled]
    for row in dropped:
        row.enabled = False
    return _Plan(made, changed, dropped)


def _sources() -> QuerySet[Source]:
    """All, without what is large: those that are not named may have to be switched off."""
    return Source.objects.only("name", *_FIELDS, "next_run_at", "failures", "throttled_until").order_by("pk")


def _require_free(wanted: Mapping[str, SourceSpec], rows: Mapping[str, Source]) -> None:
    taken = [spec for name, spec in wanted.items() if spec.enabled and name in rows and _by_hand(rows[name])]
    reason = "names {!r}, which was made by hand in the admin; delete or rename it there, or give this one another name"
    if taken:
        raise InvalidConfig([InvalidField(spec.kind, reason.format(spec.name)) for spec in taken])


def _by_hand(row: Source) -> bool:
    return row.managed_by == Source.ManagedBy.ADMIN


def _row(spec: SourceSpec, keeper: str, now: datetime) -> Source:
    return Source(
        name=spec.name,
        kind=spec.kind,
        url=spec.url,
        config=spec.config,
        interval_seconds=spec.interval_seconds,
        next_run_at=now,
        managed_by=keeper,
    )


def _change(row: Source, spec: SourceSpec, keeper: str, now: datetime) -> bool:
    """Make the row what the configuration says; whether it was anything else. What is new is fetched at once."""
    before = {name: getattr(row, name) for name in _FIELDS}
    after = {name: getattr(spec, name, keeper) for name in _FIELDS}
    if before == after:
        return False
    for name, value in after.items():
        setattr(row, name, value)
    if any(before[name] != after[name] for name in ("kind", "url", "config", "enabled")):
        # Not before the moment that the source itself named.
        row.next_run_at, row.failures = max(now, row.throttled_until or now), 0
    else:
        row.next_run_at = min(row.next_run_at, now + timedelta(seconds=row.interval_seconds))
    return True


def _note_loaded(reading: Reading, sources: int, address: str, now: datetime) -> None:
    mark = digest(reading.text)
    row, _ = ConfigStatus.objects.get_or_create(pk=_STATUS, defaults={"source": address[:500]})
    told: dict[str, Any] = {"source": address[:500], "revision": reading.revision[:100], "sources": sources}
    if row.digest != mark:
        told |= {"digest": mark, "loaded_at": now}
    ConfigStatus.objects.filter(pk=_STATUS).update(**told)
