"""What the commands say of a stack that is not as it should be."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tradebot.embedded import commands, ownership
from tradebot.embedded.console import Display
from tradebot.embedded.errors import StackError
from tradebot.embedded.layout import Layout

PATIENT = "import time; print('here', flush=True); time.sleep(60)"


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.setenv("VAR_DIR", str(tmp_path / "var"))
    found = Layout.default()
    found.create()
    return found


@pytest.fixture
def orphan(layout: Layout) -> Iterator[subprocess.Popen[str]]:
    """A program of the stack that its supervisor left behind."""
    with subprocess.Popen(
        [sys.executable, "-c", PATIENT], env={ownership.MARK: str(layout.var)}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        yield process
        process.kill()


def test_where_nothing_runs_the_status_says_so(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.status(Display()) == 3
    assert "not running" in capsys.readouterr().err


def test_the_status_does_not_hide_programs_that_lost_their_supervisor(orphan: subprocess.Popen[str]) -> None:
    with pytest.raises(StackError, match="the supervisor is gone, but 1 of its processes") as caught:
        commands.status(Display())
    assert "`make down` ends them" in caught.value.explain()


def test_down_ends_programs_that_lost_their_supervisor(orphan: subprocess.Popen[str]) -> None:
    assert commands.down(Display()) == 0
    assert orphan.wait(5) == -15
