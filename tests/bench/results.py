"""A bench figure, its bound from the same run, and whether their ratio meets the target."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Result:
    """`ratio` is value / bound. `target` is text such as ">= 3"; `met` None where the figure has no target."""

    name: str
    value: float
    unit: str
    bound: float | None = None
    ratio: float | None = None
    target: str = ""
    met: bool | None = None


def at_least(name: str, value: float, unit: str, bound: float, times: float) -> Result:
    """A figure that should be at least `times` its bound."""
    ratio = value / bound
    return Result(name, round(value, 2), unit, round(bound, 2), round(ratio, 2), f">= {times:g}", ratio >= times)


def at_most(name: str, value: float, unit: str, bound: float, times: float = 1) -> Result:
    """A figure that should be at most `times` its bound."""
    ratio = value / bound
    return Result(name, round(value, 2), unit, round(bound, 2), round(ratio, 2), f"<= {times:g}", ratio <= times)


def show(results: Sequence[Result], path: Path) -> None:
    """Print the table and write it as JSON."""
    table = Table(title="make bench")
    for column in ("figure", "value", "unit", "bound", "ratio", "target", "met"):
        table.add_column(column, justify="left" if column in {"figure", "unit"} else "right", overflow="fold")
    for row in results:
        met = {True: "yes", False: "NO", None: ""}[row.met]
        table.add_row(row.name, f"{row.value:g}", row.unit, _text(row.bound), _text(row.ratio), row.target, met)
    Console(width=130).print(table)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"results": [asdict(row) for row in results]}, indent=2) + "\n")


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
