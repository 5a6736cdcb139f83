"""What the person who typed the command sees: one line a step, how long it took, and where to look."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tradebot.embedded.errors import StackError
from tradebot.embedded.runfile import Addresses
from tradebot.embedded.supervise import State

_COLOURS = {"RUNNING": "green", "STARTING": "yellow", "STOPPED": "dim"}


class Display:
    """Progress on a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        self._out = Console(highlight=False, soft_wrap=True)
        self._err = Console(stderr=True, highlight=False, soft_wrap=True)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A step that takes a while: shown while it runs, ticked off with its seconds."""
        began = time.monotonic()
        with self._err.status(name):
            yield
        self._err.print(f"[green]✓[/] {name} [dim]{time.monotonic() - began:.1f} s[/]")

    def say(self, text: str) -> None:
        self._err.print(f"  {text}", markup=False)

    def failure(self, error: StackError) -> None:
        self._err.print("[red]✗ failed[/]")
        self._err.print(error.explain(), markup=False)

    def addresses(self, addresses: Addresses, secrets: Path) -> None:
        """Where to look. Only where a browser goes; the servers' URLs hold passwords and stay in var/run.json."""
        rows = {
            "API": f"{addresses.web}/api/v1/",
            "API docs": f"{addresses.web}/api/docs/",
            "Admin": f"{addresses.web}/admin/  (user admin, password in {secrets}/ADMIN_PASSWORD)",
            "Flower": f"{addresses.flower}  (user admin, password in {secrets}/FLOWER_PASSWORD)",
            "Paper exchange": addresses.paper_exchange,
        }
        for name, place in rows.items():
            self._out.print(f"  {name:<15} {place}", markup=False)

    def states(self, states: list[State]) -> None:
        table = Table("program", "state", "", box=None, padding=(0, 2))
        for state in states:
            colour = _COLOURS.get(state.state, "red")
            table.add_row(state.name, f"[{colour}]{state.state.lower()}[/]", state.description)
        self._out.print(table)
