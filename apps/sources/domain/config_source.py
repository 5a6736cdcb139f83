"""Where a configuration is kept, as the watcher sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Reading:
    """What stood there, and how the keeper itself numbers it (a time, a revision)."""

    text: str
    revision: str


class ConfigSource(Protocol):
    """A file, or a key of a store. One thread uses it; `stop` may come from another."""

    address: str
    """As the operator wrote it, without secrets."""

    def read(self) -> Reading:
        """What stands there now. Raises TransientError saying what is missing, and the remedy."""
        ...

    def wait(self, seconds: float) -> None:
        """Returns when what was read last may have changed, at the latest after `seconds` of silence. Raises
        TransientError when it can't be watched any more."""
        ...

    def stop(self) -> None:
        """Ends a `wait`, now and for ever."""
        ...
