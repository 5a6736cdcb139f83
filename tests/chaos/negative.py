"""`python -m tests.chaos --mutant all`: each must fail a short run by its own measure, beside a control.

A run a process: Django's settings know the servers of one house only.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.chaos.mutants import MEASURE, NAMES, SHOWN_BY
from tradebot.embedded.layout import CHECKOUT

SHORT = ("--seeds", "1", "--signals", "40", "--users", "6", "--faults", "2", "--moves", "0")
Figures = dict[str, Any]
Play = Callable[[tuple[str, ...]], Figures]


def prove(seed: int, patience: float, out: Path, play: Play | None = None) -> int:
    """Play both runs of every mutant; 1 unless each shows what it must. Figures of all runs go to `out`."""
    play = play or _played
    common = (*SHORT, "--first-seed", str(seed), "--patience", str(patience))
    told: dict[str, dict[str, Figures]] = {}
    for name in NAMES:
        kinds = ("--only", *SHOWN_BY[name])
        told[name] = {"without": play((*common, *kinds)), "with": play((*common, *kinds, "--mutant", name))}
        sys.stdout.write(f"{name}: {_said(name, told[name])}\n")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(told, indent=2) + "\n")
    return int(not all(shows(name, both) for name, both in told.items()))


def shows(name: str, both: dict[str, Figures]) -> bool:
    """Whether the mutant's own measure is non-zero with it, and nothing at all is found without it."""
    return both["with"][MEASURE[name]] > 0 and not both["without"]["findings"]


def _said(name: str, both: dict[str, Figures]) -> str:
    measure = MEASURE[name]
    verdict = "shown" if shows(name, both) else "NOT shown"
    found = len(both["without"]["findings"])
    return f"{measure} {both['with'][measure]} with it; {found} findings without it: {verdict}"


def _played(arguments: tuple[str, ...]) -> Figures:
    with tempfile.TemporaryDirectory(prefix="tradebot-mutant-") as folder:
        out = Path(folder) / "chaos.json"
        command = [sys.executable, "-m", "tests.chaos", *arguments, "--out", str(out)]
        done = subprocess.run(command, cwd=CHECKOUT, check=False)
        if done.returncode not in {0, 1} or not out.exists():
            raise RuntimeError(f"the run could not be played: {' '.join(command)}")
        figures: Figures = json.loads(out.read_text())
        return figures
