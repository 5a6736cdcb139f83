"""Every case on every venue, and the page that says so."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from apps.exchanges.adapters import shared
from tests.apps.exchanges.acceptance import matrix
from tests.apps.exchanges.acceptance.catalogue import CASES
from tests.apps.exchanges.acceptance.replay import Replay
from tests.apps.exchanges.acceptance.shared_data import CHECKS, WIRE
from tests.apps.exchanges.acceptance.worlds import OWN, PAPER, on_paper, recorded
from tests.apps.exchanges.paper_process import PaperProcess


@pytest.fixture
def replay() -> Iterator[Replay]:
    with Replay().running() as running:
        yield running


@pytest.fixture(autouse=True)
def _venues_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test's exchange is another one at another port: nothing of it is kept for the next."""
    monkeypatch.setattr(shared, "_known", {})


@pytest.mark.parametrize(("name", "case"), matrix.runs(OWN))
def test_recorded(name: str, case: str, replay: Replay) -> None:
    CASES[case](recorded(name, replay))


@pytest.mark.parametrize(("name", "case"), matrix.runs(PAPER))
def test_on_the_paper_exchange(name: str, case: str, paper: PaperProcess) -> None:
    CASES[case](on_paper(name, paper))


@pytest.mark.skipif(not WIRE.is_dir(), reason="no shared data here: set TRADEBOT_SHARED_DATA to its folder")
@pytest.mark.parametrize(("name", "case"), list(CHECKS))
def test_on_what_others_recorded(name: str, case: str, replay: Replay) -> None:
    check = CHECKS[name, case]
    world = recorded(name, replay)
    replay.play(check.answers())
    assert check.holds(world.venue)


def test_the_page_is_what_the_suite_runs() -> None:
    if os.environ.get("VENUES_PAGE") == "write":
        matrix.PAGE.write_text(matrix.render())
    assert matrix.PAGE.read_text() == matrix.render(), "write it anew: make test with VENUES_PAGE=write"
