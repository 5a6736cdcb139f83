"""Revisions of entries whose source numbers none: what is seen is compared with what was seen before."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

_REMEMBERED = 1_000


class Versions:
    """What was seen of each entry before: a hash of its content, its revision, and the moment that it bore first.
    Made from what `remembered` gave the last time; JSON."""

    def __init__(self, entries: Mapping[str, Any]) -> None:
        self._entries = dict(entries)
        self._now: dict[str, tuple[int, datetime]] = {}

    def sighting(
        self, native_id: str, content: list[str], moment: datetime, updated: datetime | None
    ) -> tuple[int, datetime]:
        """Revision and moment of what is seen now. The same content has the same revision whenever it is asked for, so
        that a crawl which died before it was stored finds the same post again; of several with one id the first counts.
        """
        key = _short(native_id)
        if key not in self._now:
            self._now[key] = self._compared(key, _short("\x00".join(content)), moment, updated)
        return self._now[key]

    def _compared(self, key: str, digest: str, moment: datetime, updated: datetime | None) -> tuple[int, datetime]:
        before = self._entries.pop(key, None)
        if before is None:
            self._entries[key] = [digest, 0, moment.isoformat()]
            return 0, moment
        revision = before[1] if before[0] == digest else _next_revision(before[1], digest, updated)
        self._entries[key] = [digest, revision, before[2]]
        return revision, datetime.fromisoformat(before[2])

    def remembered(self) -> dict[str, Any]:
        """For the next run: those seen last."""
        return dict(list(self._entries.items())[-_REMEMBERED:])


def _next_revision(before: int, digest: str, updated: datetime | None) -> int:
    """The source's own moment of the change in seconds; where it names none, a step that depends on the content: two
    edits between which a crawl was lost are still two."""
    named = int(updated.timestamp()) if updated else 0
    return named if named > before else before + 1 + int(digest[:8], 16) % 1_000


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
