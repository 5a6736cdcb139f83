"""What a panel makes of advice, of errors in place of answers, and of weights."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from django.db import OperationalError

from apps.signals.adapters.answers import answer
from apps.signals.adapters.panel import Panel
from apps.signals.adapters.weighing import SECONDS, Weighing
from apps.signals.domain.weights import Weights
from tests.unit.signals.test_analyzers import Plain, post
from tradebot.contracts.errors import InvalidField
from tradebot.contracts.messages import AnalysisSignal, Features, OCRResult
from tradebot.contracts.values import Direction


class Advisor(Plain):
    name = "advisor"
    advisory = True


class Heavy(Plain):
    name = "heavy"
    weight = float("inf")


class Patchy(Plain):
    """Its service answers for some posts of a batch only."""

    name = "patchy"

    def analyze_batch(self, batch: Sequence[Features]) -> list[Any]:
        return [RuntimeError("no budget left") if "poison" in each.text else self.say() for each in batch]

    def say(self) -> AnalysisSignal:
        return answer(self.name, Direction.BULLISH, 0.8, mood="claim")


class Slow(Plain):
    name = "slow"
    seconds = 20.0

    def __init__(self, release: threading.Event) -> None:
        self._release = release

    def analyze(self, text: str, images: list[OCRResult]) -> AnalysisSignal:
        self._release.wait(10)
        return super().analyze(text, images)


def test_advice_is_no_part_of_the_quorum() -> None:
    assert Panel([Plain(), Advisor(), Advisor()]).quorum == 1
    assert Panel([Advisor()]).quorum == 1
    ((plain, advised),) = Panel([Plain(), Advisor()]).judge([post("gm")])
    assert (plain.advisory, advised.advisory) == (False, True)


def test_an_error_in_place_of_an_answer_is_that_posts_alone() -> None:
    ((good,), (bad,)) = Panel([Patchy()]).judge([post("gm"), post("poison")])
    assert (good.error, good.mood, bad.error) == ("", "claim", "no budget left")


def test_a_weight_that_is_none_silences_its_analyzer() -> None:
    ((found,),) = Panel([Heavy()]).judge([post("gm")])
    assert "weight of heavy is inf" in found.error


def test_a_seat_that_asks_for_time_gets_it() -> None:
    release = threading.Event()
    timer = threading.Timer(0.3, release.set)
    timer.start()
    ((found,),) = Panel([Slow(release)], seconds=0.01).judge([post("gm")])
    assert found.error == ""


def test_votes_weigh_what_is_configured_and_measured() -> None:
    panel = Panel([Plain(), Patchy()], weigh=lambda: Weights({"plain": 0.4}, {"plain": 0.5, "patchy": 1.5}))
    ((plain, patchy),) = panel.judge([post("gm")])
    assert (plain.weight, plain.factor, patchy.pull) == (0.4, 0.5, 1.5)


class TestWeighing:
    def test_accuracy_is_read_once_a_minute(self, settings: Any) -> None:
        settings.ANALYZER_WEIGHTS = "rules=0.6"
        now, asked = [0.0], []

        def measured() -> Mapping[str, float]:
            asked.append(now[0])
            return {"rules": 1.0 + len(asked) / 10}

        weighing = Weighing(measured, lambda: now[0])
        assert [weighing() for _ in range(3)][-1] == Weights({"rules": 0.6}, {"rules": 1.1})
        now[0] = SECONDS
        assert weighing().measured == {"rules": 1.2}
        assert asked == [0.0, SECONDS]

    def test_without_the_database_the_last_figures_stay(self, settings: Any) -> None:
        now, broken = [0.0], [False]

        def measured() -> Mapping[str, float]:
            if broken[0]:
                raise OperationalError("gone")
            return {"rules": 1.3}

        weighing = Weighing(measured, lambda: now[0])
        weighing()
        now[0], broken[0] = SECONDS, True
        assert weighing().measured == {"rules": 1.3}

    def test_a_wrong_setting_is_told_at_once(self, settings: Any) -> None:
        settings.ANALYZER_WEIGHTS = "rules=0"
        with pytest.raises(InvalidField, match="ANALYZER_WEIGHTS: rules=0"):
            Weighing(dict)
