"""Reads: how the crawlers' configuration stands, and the sources that it manages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from apps.sources.domain.crawler_config import SourceSpec
from apps.sources.models import Source
from apps.sources.models_config import ConfigStatus


@dataclass(frozen=True, slots=True)
class ConfigStatusView:
    """What is in force, since when, when that was last confirmed, and why something newer is not."""

    source: str
    revision: str
    digest: str
    sources: int
    loaded_at: datetime | None
    checked_at: datetime | None
    last_error: str
    failed_at: datetime | None
    failures: int

    def shown(self) -> Iterator[tuple[str, str]]:
        """Name and value of each fact that is known."""
        yield "source", self.source
        yield "revision", self.revision or "-"
        yield "sha256", self.digest or "-"
        yield "sources", str(self.sources)
        yield "loaded", _moment(self.loaded_at)
        yield "confirmed", _moment(self.checked_at)
        if self.last_error:
            yield "refused", f"{_moment(self.failed_at)} {self.last_error}"


def config_status() -> ConfigStatusView | None:
    """How the configuration stands; None before anything was applied or refused."""
    row = ConfigStatus.objects.first()
    if row is None:
        return None
    return ConfigStatusView(
        source=row.source,
        revision=row.revision,
        digest=row.digest,
        sources=row.sources,
        loaded_at=row.loaded_at,
        checked_at=row.checked_at,
        last_error=row.last_error,
        failed_at=row.failed_at,
        failures=row.failures,
    )


def managed_sources() -> list[SourceSpec]:
    """The sources that the configuration made, by name, those that it switched off too."""
    rows = Source.objects.exclude(managed_by=Source.ManagedBy.ADMIN).order_by("name")
    return [SourceSpec(row.name, row.kind, row.url, row.enabled, row.interval_seconds, row.config) for row in rows]


def _moment(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else "never"
