"""One short seed on a whole stack of its own: `make chaos` in small."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack import NOT_INHERITED
from tradebot.embedded.layout import CHECKOUT

QUICK = ("child_killed", "child_killed_at_the_wire", "answers_lost", "link_cut", "streams_killed")


@pytest.mark.timeout(600)
def test_nothing_is_lost_doubled_or_left_unprotected_in_a_short_seed(tmp_path: Path) -> None:
    out = tmp_path / "chaos.json"
    environment = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    short = ("--seeds", "1", "--signals", "40", "--users", "10", "--faults", "3", "--only", *QUICK, "--out", str(out))

    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", *short],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(out.read_text())
    assert (figures["lost"], figures["doubled"], figures["unprotected"], figures["findings"]) == (0, 0, 0, [])
    assert figures["commands"] == 40
    assert figures["in_flight"] > 0
