"""The shipped analyzers, the registry that finds them and the panel that asks them, without a database."""

from __future__ import annotations

import gc
import threading
from typing import Any

import numpy as np
import pytest

from apps.signals.adapters import registry
from apps.signals.adapters.answers import answer
from apps.signals.adapters.classifier import ClassifierAnalyzer
from apps.signals.adapters.e5 import second_look
from apps.signals.adapters.embedder import get_embedder, pack, pack_chances, unpack
from apps.signals.adapters.panel import Panel
from apps.signals.adapters.registry import load_analyzers
from apps.signals.adapters.rules import RulesAnalyzer
from apps.signals.domain.beliefs import DIRECTIONS, WIDTH, of_row
from tests.factories import now
from tradebot.contracts.errors import NotConfigured
from tradebot.contracts.messages import AnalysisSignal, Beliefs, Evidence, Features, OCRResult
from tradebot.contracts.ports import AnalyzerPlugin
from tradebot.contracts.values import Direction


def post(text: str, vector: str = "", chances: str = "", judge: str = "") -> Features:
    return Features(
        id="f", root_id="r", seen_at=now(), post_id="p", source="twitter", channel="", author="a", text=text,
        language="en", timestamp=now(), vector=vector, chances=chances, judge=judge,
    )  # fmt: skip


class Plain:
    """A third party's analyzer: only what the contract asks for."""

    name = "plain"
    version = "1"
    weight = 1.0

    def analyze(self, text: str, images: list[OCRResult]) -> AnalysisSignal:
        if "poison" in text:
            raise ValueError("indigestible")
        return answer(self.name, Direction.BULLISH, 0.8)


class Stuck(Plain):
    name = "stuck"

    def __init__(self) -> None:
        self.release = threading.Event()

    def analyze(self, text: str, images: list[OCRResult]) -> AnalysisSignal:
        if text == "wait":
            self.release.wait(20)
        return super().analyze(text, images)


class Overconfident(Plain):
    name = "overconfident"

    def analyze(self, text: str, images: list[OCRResult]) -> AnalysisSignal:
        return answer(self.name, Direction.BULLISH, 7.0)


class Immeasurable(Plain):
    name = "immeasurable"

    def analyze(self, text: str, images: list[OCRResult]) -> AnalysisSignal:
        quote = Evidence(kind="text", quote=text, weight=float("nan"), model="1")
        return answer(self.name, Direction.BULLISH, 0.8, [quote])


class Torn(Plain):
    """Says one thing and believes another."""

    name = "torn"

    def analyze(self, text: str, images: list[OCRResult]) -> AnalysisSignal:
        return answer(self.name, Direction.BULLISH, 0.8, beliefs=Beliefs(direction={"bearish": 0.9, "bullish": 0.1}))


class Loud(Plain):
    """Its chances are more than there are."""

    name = "loud"

    def analyze(self, text: str, images: list[OCRResult]) -> AnalysisSignal:
        return answer(self.name, Direction.BULLISH, 0.8, beliefs=Beliefs(direction={"bearish": 0.9, "bullish": 0.9}))


class Quitter(Plain):
    name = "quitter"

    def analyze(self, text: str, images: list[OCRResult]) -> AnalysisSignal:
        if text == "quit":
            raise SystemExit(1)
        return super().analyze(text, images)


class Watched(Plain):
    """Remembers which threads it was asked in."""

    name = "watched"

    def __init__(self) -> None:
        self.threads: set[threading.Thread] = set()

    def analyze(self, text: str, images: list[OCRResult]) -> AnalysisSignal:
        self.threads.add(threading.current_thread())
        return super().analyze(text, images)


class TestEmbedder:
    def test_vectors_are_unit_and_in_the_order_given(self) -> None:
        texts = ["a long text about bitcoin and its price " * 5, "ether", "dogs", ""] * 9
        vectors = get_embedder().embed(texts)
        assert vectors.shape == (36, 384)
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(36), abs=1e-3)
        assert float(vectors[1] @ get_embedder().embed(["ether"])[0]) > 0.98

    def test_like_means_near(self) -> None:
        car, auto, rain = get_embedder().embed(["he bought a car", "he purchased an automobile", "rain in the hills"])
        assert car @ auto > car @ rain + 0.3

    def test_no_texts_no_vectors(self) -> None:
        assert get_embedder().embed([]).shape == (0, 384)

    def test_one_session_a_process(self) -> None:
        assert get_embedder() is get_embedder()

    def test_a_packed_vector_comes_back(self) -> None:
        vector = get_embedder().embed(["ether"])[0]
        assert np.array_equal(unpack(pack(vector)), vector)

    @pytest.mark.parametrize("broken", ["", "AAAA", "***", pack(np.full(384, np.nan))])
    def test_a_broken_vector_is_refused(self, broken: str) -> None:
        with pytest.raises(ValueError, match=r"."):
            unpack(broken)


class TestClassifier:
    def test_the_chances_that_came_along_give_the_same_verdict_as_the_model(self) -> None:
        analyzer, text = ClassifierAnalyzer(), "Bitcoin is crashing hard"
        first = get_embedder()
        (row,), (judge,) = second_look([text], first.read([text])[1], first.version)
        with_them = post(text, chances=pack_chances(row), judge=judge)
        without = post(text)
        both = analyzer.analyze_batch([without, with_them])
        assert both[0].type is both[1].type is Direction.BEARISH
        assert both[0].confidence == pytest.approx(both[1].confidence, abs=0.01)
        assert both[0].mood == both[1].mood
        assert both[0].evidence[0].quote == text

    @pytest.mark.parametrize(
        "broken", ["AAAA", "***", pack_chances(np.full(WIDTH, np.nan)), pack_chances(np.ones(WIDTH))]
    )
    def test_broken_chances_are_refused(self, broken: str) -> None:
        with pytest.raises(ValueError, match=r"."):
            ClassifierAnalyzer().analyze_batch([post("Bitcoin is crashing hard", chances=broken)])

    def test_the_model_gives_a_distribution_over_every_set_of_names(self) -> None:
        (row,) = get_embedder().read(["Bitcoin ETF approved"])[1]
        found = of_row(row.tolist())
        assert list(found.direction) == list(DIRECTIONS)
        assert sum(found.event.values()) == pytest.approx(1, abs=1e-3)
        assert sum(found.mood.values()) == pytest.approx(1, abs=1e-3)

    def test_what_no_encoder_reads_is_left_to_the_others(self) -> None:
        assert ClassifierAnalyzer().analyze("비트코인 지금 매수", []).confidence == 0


class TestRegistry:
    def test_the_built_in_ones_are_there_without_installation(self) -> None:
        plugins = load_analyzers()
        assert {plugin.name for plugin in plugins} >= {"rules", "minilm", "ngrams"}
        assert all(isinstance(plugin, AnalyzerPlugin) for plugin in plugins)

    def test_weights_come_from_the_configuration(self) -> None:
        plugins = {plugin.name: plugin for plugin in load_analyzers({"rules": {"weight": 0.9}})}
        assert plugins["rules"].weight == 0.9

    def test_a_disabled_one_is_left_out(self) -> None:
        assert [plugin.name for plugin in load_analyzers({"minilm": {"enabled": False}})] == ["rules", "ngrams"]

    @pytest.mark.parametrize("error", [NotConfigured("no key"), RuntimeError("bug")])
    def test_a_plugin_that_cannot_be_made_is_skipped(self, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
        def refuse(config: Any) -> Any:
            raise error

        monkeypatch.setattr(registry, "_resolve", lambda target: refuse if "Rules" in target else ClassifierAnalyzer)
        names = [plugin.name for plugin in load_analyzers()]
        assert names == ["minilm"] * (len(registry.BUILTIN) - 1)


class TestPanel:
    def test_every_analyzer_answers_every_post(self) -> None:
        rows = Panel([RulesAnalyzer(), Plain()]).judge([post("buy BTC now"), post("sell BTC now")])
        assert [[each.direction for each in row] for row in rows] == [
            [Direction.BULLISH, Direction.BULLISH],
            [Direction.BEARISH, Direction.BULLISH],
        ]

    def test_a_poison_post_silences_one_analyzer_for_one_post(self) -> None:
        rows = Panel([RulesAnalyzer(), Plain()]).judge([post("poison"), post("buy BTC now")])
        assert [each.error for each in rows[0]] == ["", "ValueError: indigestible"]
        assert [each.error for each in rows[1]] == ["", ""]

    def test_a_batch_with_one_broken_body_is_judged_one_by_one(self) -> None:
        rows = Panel([ClassifierAnalyzer()]).judge([post("Bitcoin is crashing hard", chances="broken"), post("gm")])
        assert [row[0].error for row in rows] == ["", ""]

    def test_nonsense_answers_are_refused(self) -> None:
        ((found,),) = Panel([Overconfident()]).judge([post("gm")])
        assert "not within 0..1" in found.error

    @pytest.mark.parametrize(("plugin", "reason"), [(Torn(), "believes something else"), (Loud(), "not 1")])
    def test_beliefs_that_contradict_themselves_are_refused(self, plugin: AnalyzerPlugin, reason: str) -> None:
        ((found,),) = Panel([plugin]).judge([post("gm")])
        assert reason in found.error

    def test_a_late_analyzer_is_left_out_and_gets_no_second_batch(self) -> None:
        stuck = Stuck()
        panel = Panel([stuck, Plain()], seconds=0.05)
        rows = panel.judge([post("fine"), post("wait")])
        assert [row[0].error for row in rows] == ["", "no answer in time"]
        assert [row[1].error for row in rows] == ["", ""]
        assert panel.judge([post("fine")])[0][0].error == "still busy with an earlier batch"
        stuck.release.set()

    def test_a_quote_whose_weight_is_no_number_is_refused(self) -> None:
        ((found,),) = Panel([Immeasurable()]).judge([post("gm")])
        assert "finite" in found.error

    def test_one_thread_serves_all_batches_of_an_analyzer_and_ends_with_its_panel(self) -> None:
        watched = Watched()
        panel = Panel([watched])
        for _ in range(3):
            panel.judge([post("buy BTC now"), post("gm")])
        (thread,) = watched.threads
        assert thread is not threading.current_thread()
        del panel
        gc.collect()
        thread.join(10)
        assert not thread.is_alive()

    def test_an_analyzer_that_was_late_is_asked_again_once_it_is_done(self) -> None:
        stuck = Stuck()
        panel = Panel([stuck], seconds=0.05)
        panel.judge([post("wait")])
        stuck.release.set()
        assert panel._seats[0]._work.idle.acquire(timeout=10)
        panel._seats[0]._work.idle.release()
        assert panel.judge([post("fine")])[0][0].error == ""

    def test_a_plugin_that_exits_loses_its_answer_and_nothing_else(self) -> None:
        panel = Panel([Quitter(), Plain()], seconds=10)
        rows = panel.judge([post("fine"), post("quit")])
        assert [[each.error for each in row] for row in rows] == [["", ""], ["no answer in time", ""]]
        assert panel.judge([post("fine")])[0][0].error == ""

    def test_more_than_half_must_answer(self) -> None:
        assert [Panel([Plain()] * count).quorum for count in (1, 2, 3)] == [1, 2, 2]
