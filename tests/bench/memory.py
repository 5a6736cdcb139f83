"""Memory of a running stack: proportional set size, so that pages shared by forked workers count once."""

from __future__ import annotations

import time
from pathlib import Path

from tradebot.embedded.layout import Layout
from tradebot.embedded.ownership import owned
from tradebot.embedded.postgres import home_of

SETTLED = 0.01
"""Two readings this close, five seconds apart, and the stack is at rest."""


def idle_mib(layout: Layout) -> dict[str, float]:
    """MiB by process name of everything that belongs to the stack, once it no longer changes."""
    before = _reading(layout)
    for _ in range(24):
        time.sleep(5)
        now = _reading(layout)
        if abs(sum(now.values()) - sum(before.values())) < SETTLED * sum(before.values()):
            return now
        before = now
    return before


def _reading(layout: Layout) -> dict[str, float]:
    found: dict[str, float] = {}
    for process in owned(layout.var, home_of(layout.var)):
        name = _name(process.command)
        found[name] = found.get(name, 0.0) + _pss(process.pid)
    return found


def _pss(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _name(command: str) -> str:
    words = command.split()
    for word in ("granian", "flower", "streams", "apps.exchanges.paper", "supervisord"):
        if any(word in part for part in words[:8]):
            return word
    if "-n" in words:
        return words[words.index("-n") + 1]
    return Path(words[0].rstrip(":")).name if words else "?"
