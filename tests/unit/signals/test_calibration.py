"""Calibration and figures: worked by hand."""

from __future__ import annotations

import pytest

from apps.signals.domain.calibration import ece, reliability, softmax, surprise, temperature
from apps.signals.training.drawing import diagram
from apps.signals.training.metrics import figures, same_sets, set_f1


def test_answers_that_are_as_sure_as_right_have_no_error() -> None:
    assert ece([0.75] * 4, [True, True, True, False]) == pytest.approx(0.0)


def test_the_error_is_the_gap_weighed_by_answers() -> None:
    # Three answers 0.9 sure, one right (gap 0.5667); one answer 0.5 sure and right (gap 0.5).
    assert ece([0.9, 0.9, 0.9, 0.5], [True, False, False, True]) == pytest.approx((3 * (0.9 - 1 / 3) + 0.5) / 4)


def test_a_full_confidence_falls_into_the_last_bin() -> None:
    (only,) = reliability([1.0, 0.95], [True, False])
    assert (only.low, only.high, only.count, only.accuracy) == (0.9, 1.0, 2, 0.5)


def test_nothing_measured_has_no_error() -> None:
    assert ece([], []) == 0.0
    with pytest.raises(ValueError, match="zip"):
        ece([0.5], [])


def test_a_temperature_cools_what_is_too_sure() -> None:
    # Logits of (2, 0) say 0.88; right in three of four the honest logit is ln 3, so the temperature is 2 / ln 3.
    found = temperature([[2.0, 0.0]] * 4, [0, 0, 0, 1])
    assert found == pytest.approx(2 / 1.0986123, rel=1e-3)
    assert softmax([2.0, 0.0], found)[0] == pytest.approx(0.75, abs=1e-3)


def test_a_temperature_below_one_makes_the_modest_surer() -> None:
    logits, labels = [[0.2, 0.0]] * 4, [0, 0, 0, 1]
    found = temperature(logits, labels)
    assert found < 1
    assert surprise(logits, labels, found) < surprise(logits, labels)


def test_figures_by_class() -> None:
    found = figures(("a", "b", "c"), ["a", "a", "b", "b"], ["a", "b", "b", "b"], [0.9, 0.6, 0.8, 0.7])
    assert found.accuracy == 0.75
    assert found.confusion == ((1, 1, 0), (0, 2, 0), (0, 0, 0))
    assert found.classes["a"].f1 == pytest.approx(2 / 3)
    assert found.classes["b"].precision == pytest.approx(2 / 3)
    assert found.macro_f1 == pytest.approx((2 / 3 + 0.8) / 2), "a class that never occurs counts for nothing"
    assert found.ece is not None


@pytest.mark.parametrize(("true", "said"), [([], []), (["a"], ["d"]), (["d"], ["a"])])
def test_figures_of_nothing_or_of_unknown_classes_are_refused(true: list[str], said: list[str]) -> None:
    with pytest.raises(ValueError, match=r"no rows|none of"):
        figures(("a", "b", "c"), true, said)


def test_sets_are_counted_member_by_member() -> None:
    true, said = [{"BTC", "ETH"}, {"SOL"}, set()], [{"BTC"}, {"SOL", "ADA"}, set()]
    assert set_f1(true, said) == pytest.approx(2 * 2 / (3 + 3))
    assert same_sets(true, said) == pytest.approx(1 / 3)
    assert set_f1([set()], [set()]) == 1.0


def test_the_diagram_has_a_bar_a_bin() -> None:
    drawn = diagram(reliability([0.55, 0.95, 0.97], [True, True, False]))
    assert drawn.count("<title>") == 2
    assert "sure 0.960, right 0.500, 2 answers" in drawn
