"""A configuration in a file: looked at four times a second, so that every editor's way of saving is noticed."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from apps.sources.domain.config_source import Reading
from apps.sources.domain.crawler_config import MOST_BYTES
from tradebot.contracts.errors import TransientError

POLL_SECONDS = 0.25

Mark = tuple[int, int, int] | None
"""What tells one version of a file from another: inode, time of change, size. None: there is no file."""


class ConfigFile:
    """Replaced at once or written in place: a version counts once it has stayed the same for POLL_SECONDS."""

    def __init__(self, path: Path) -> None:
        self.address = f"file:{path}"
        self._path = path
        self._read: Mark = None
        self._stopped = threading.Event()

    def read(self) -> Reading:
        """The file's text. Raises TransientError when it can't be read, or is no UTF-8."""
        self._read = self._mark()
        try:
            with self._path.open("rb") as file:
                text = file.read(MOST_BYTES + 1).decode()
        except OSError as error:
            raise TransientError(f"{self._path} can't be read ({error.strerror}); put it there") from None
        except UnicodeDecodeError:
            raise TransientError(f"{self._path} is no UTF-8 text; save it as UTF-8") from None
        changed = datetime.fromtimestamp(self._read[1] / 1e9, UTC).isoformat() if self._read else ""
        return Reading(text, changed)

    def wait(self, seconds: float) -> None:
        """Until another version stands there, `seconds` at most."""
        deadline, before = time.monotonic() + seconds, self._read
        while time.monotonic() < deadline and not self._stopped.wait(POLL_SECONDS):
            now = self._mark()
            if now == before and now != self._read:
                return
            before = now

    def stop(self) -> None:
        self._stopped.set()

    def _mark(self) -> Mark:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size
