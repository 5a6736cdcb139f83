"""What counts as a mutant that was noticed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.chaos.mutants import MEASURE, MUTANTS, NAMES, SHOWN_BY
from tests.chaos.negative import prove, shows
from tests.chaos.plan import KINDS
from tests.chaos.report import KINDS as MEASURES


def _figures(findings: int = 0, **counts: int) -> dict[str, Any]:
    return {**dict.fromkeys(MEASURES, 0), **counts, "findings": [{}] * findings}


def test_every_mutant_has_faults_and_a_measure_that_show_it() -> None:
    assert set(SHOWN_BY) == set(MEASURE) == set(MUTANTS)
    assert {kind for kinds in SHOWN_BY.values() for kind in kinds} <= set(KINDS)
    assert set(MEASURE.values()) <= set(MEASURES)


@pytest.mark.parametrize("name", NAMES)
def test_a_mutant_counts_by_its_own_measure_and_against_a_clean_control(name: str) -> None:
    spoiled = _figures(3, **{MEASURE[name]: 3})

    assert shows(name, {"without": _figures(), "with": spoiled})
    assert not shows(name, {"without": _figures(1, lost=1), "with": spoiled})
    assert not shows(name, {"without": _figures(), "with": _figures(3, unprotected=3)})


def test_one_mutant_that_goes_unnoticed_fails_the_proof(tmp_path: Path) -> None:
    def noticed(arguments: tuple[str, ...]) -> dict[str, Any]:
        return _figures(1, **{MEASURE[arguments[-1]]: 1}) if "--mutant" in arguments else _figures()

    def blind(_: tuple[str, ...]) -> dict[str, Any]:
        return _figures()

    assert prove(1, 60, tmp_path / "mutants.json", noticed) == 0
    assert prove(1, 60, tmp_path / "mutants.json", blind) == 1
