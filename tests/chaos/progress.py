"""The progress display: one line that is written over, or a line every so often where nobody looks."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Protocol

_SECONDS = 15.0


class Named(Protocol):
    """Something that struck."""

    @property
    def fault(self) -> object: ...


class Progress:
    """Writes to standard error."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._said = 0.0

    def show(self, seed: int, done: int, of: int, struck: Sequence[Named]) -> None:
        """How far a seed is."""
        now = time.monotonic()
        if now - self._said < (0.2 if self._terminal else _SECONDS):
            return
        self._said = now
        last = f", last: {getattr(struck[-1].fault, 'kind', '')}" if struck else ""
        line = f"  seed {seed}: {done} of {of} commands at their end, {len(struck)} faults{last}"
        sys.stderr.write(f"\r{line:100}" if self._terminal else f"{line}\n")
        sys.stderr.flush()

    def say(self, text: str) -> None:
        """A line that stays."""
        sys.stderr.write(("\r" if self._terminal else "") + f"{text:100}\n")
        sys.stderr.flush()
