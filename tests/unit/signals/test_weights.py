"""What each analyzer's vote weighs."""

from __future__ import annotations

import pytest

from apps.signals.domain.verdict import Verdict
from apps.signals.domain.weights import Weights, parse
from tradebot.contracts.errors import InvalidField


def test_weights_are_read_from_a_line() -> None:
    assert parse(" rules=0.6, minilm = 0.3 ,") == {"rules": 0.6, "minilm": 0.3}
    assert parse("") == {}


@pytest.mark.parametrize("text", ["rules", "rules=", "=1", "rules=0", "rules=-1", "rules=nan", "rules=inf",
                                  "rules=1e9", "rules=heavy", "rules=1,rules=2"])  # fmt: skip
def test_what_is_no_weight_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidField, match="ANALYZER_WEIGHTS"):
        parse(text)


def test_the_operator_replaces_a_weight_and_accuracy_multiplies_it() -> None:
    weights = Weights({"rules": 0.5}, {"rules": 1.2, "minilm": 0.8})
    assert weights.on(Verdict("rules", "1", 0.9)).pull == pytest.approx(0.6)
    assert weights.on(Verdict("minilm", "1", 0.5)).pull == pytest.approx(0.4)
    assert weights.on(Verdict("other", "1", 0.5)).pull == 0.5


def test_who_abstains_or_failed_gets_no_weight() -> None:
    weights = Weights({"rules": 0.5})
    assert weights.on(Verdict("rules", "1", 0.0)).weight == 0
    assert weights.on(Verdict("rules", "1", 0.0, error="late")).weight == 0


@pytest.mark.parametrize("changes", [{"weight": float("nan")}, {"weight": float("inf")}, {"weight": -1.0},
                                     {"confidence": float("nan")}, {"confidence": 1.1}, {"factor": 0.0},
                                     {"factor": float("inf")}])  # fmt: skip
def test_a_verdict_of_no_number_can_not_be_made(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="rules"):
        Verdict(**{"analyzer": "rules", "version": "1", "weight": 1.0, **changes})
