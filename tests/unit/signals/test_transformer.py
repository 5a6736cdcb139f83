"""Classifier folders by path: a tiny one that knows three dozen words, run as any other would be."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from django.core.management import CommandError, call_command
from structlog.testing import capture_logs

from apps.signals.adapters.panel import Panel
from apps.signals.adapters.registry import load_analyzers
from apps.signals.adapters.transformer import CEILING, CHUNK, TransformerAnalyzer, softmax
from apps.signals.adapters.transformer_config import Folder, folders, meanings
from tests.factories import now
from tradebot.contracts.errors import NotConfigured
from tradebot.contracts.messages import Features
from tradebot.contracts.ports import AnalyzerPlugin
from tradebot.contracts.values import Direction

UP, FLAT, DOWN = Direction.BULLISH, Direction.NEUTRAL, Direction.BEARISH
TINY = Path(__file__).parent / "tiny_classifier" / "model"
TEXTS = ["we buy btc now", "the news is a hack sell eth", "good morning", "buy buy moon rally pump up", "crash"]


def post(text: str) -> Features:
    return Features(
        id="f", root_id="r", seen_at=now(), post_id="p", source="twitter", channel="", author="a", text=text,
        language="en", timestamp=now(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def tiny() -> TransformerAnalyzer:
    return TransformerAnalyzer(Folder("tiny", TINY))


@pytest.fixture
def changed(tmp_path: Path) -> Callable[..., Folder]:
    """A copy of the tiny folder with another config.json, or without one of its files."""

    def change(without: str = "", own: dict[str, Any] | None = None, **config: Any) -> Folder:
        path = tmp_path / "folder"
        shutil.copytree(TINY, path)
        whole = json.loads((path / "config.json").read_text())
        (path / "config.json").write_text(json.dumps({**whole, **config}))
        if own is not None:
            (path / "tradebot.json").write_text(json.dumps(own))
        if without:
            (path / without).unlink()
        return Folder("mine", path)

    return change


class TestJudging:
    def test_it_knows_what_it_has_learnt(self, tiny: TransformerAnalyzer) -> None:
        assert isinstance(tiny, AnalyzerPlugin)
        assert [tiny.analyze(text, []).type for text in TEXTS] == [UP, DOWN, FLAT, UP, DOWN]

    def test_a_batch_says_what_single_calls_say_in_the_order_given(self, tiny: TransformerAnalyzer) -> None:
        texts = [*TEXTS * 5, "watching the news " * 6]
        assert len(texts) > CHUNK
        found = tiny.analyze_batch([post(text) for text in texts])
        alone = [tiny.analyze(text, []) for text in texts]
        assert [each.type for each in found] == [each.type for each in alone]
        assert [each.confidence for each in found] == pytest.approx([each.confidence for each in alone], abs=1e-5)

    def test_it_computes_what_a_bare_session_computes(self, tiny: TransformerAnalyzer) -> None:
        words = json.loads((TINY / "tokenizer.json").read_text())["model"]["vocab"]
        ids = np.array([[words[word] for word in ("[CLS]", "we", "buy", "btc", "now", "[SEP]")]])
        bare = ort.InferenceSession(str(TINY / "model.onnx"), providers=["CPUExecutionProvider"])
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        right = bare.run(None, {each.name: given[each.name] for each in bare.get_inputs()})[0]
        assert tiny.logits(["We BUY btc now"]) == pytest.approx(right, abs=1e-5)
        said = tiny.analyze("we buy btc now", [])
        assert said.confidence == pytest.approx(min(CEILING, softmax(right.astype(float)).max()), abs=1e-5)

    def test_it_quotes_the_post(self, tiny: TransformerAnalyzer) -> None:
        (quote,) = tiny.analyze("\n  buy btc now  \nmore", []).evidence
        assert (quote.quote, quote.span, quote.model) == ("  buy btc now  ", (1, 16), tiny.version)

    @pytest.mark.parametrize("text", ["", " \n", "比特币看涨，赶紧买入", "Привет, как дела", "🚀🚀🚀"])
    def test_what_it_cannot_read_it_leaves_to_others(self, tiny: TransformerAnalyzer, text: str) -> None:
        assert tiny.analyze(text, []).confidence == 0

    def test_a_text_longer_than_its_places_is_cut(self, tiny: TransformerAnalyzer) -> None:
        assert tiny.analyze("buy " * 5_000, []).type is UP

    def test_a_temperature_makes_it_less_sure_and_another_version(
        self, tiny: TransformerAnalyzer, changed: Callable[..., Folder]
    ) -> None:
        calm = TransformerAnalyzer(changed(own={"temperature": 8.0, "made": "by hand"}))
        sure, doubtful = (each.analyze("we buy btc now", []) for each in (tiny, calm))
        assert sure.type is doubtful.type is UP
        assert doubtful.confidence < sure.confidence
        assert calm.version.split("-")[1] != tiny.version.split("-")[1]


class TestLabels:
    @pytest.mark.parametrize(
        ("names", "found"),
        [
            (["Bearish", "Neutral", "Bullish"], (DOWN, FLAT, UP)),
            (["positive", "negative", "neutral"], (UP, DOWN, FLAT)),
            (["NEG", "POS"], (DOWN, UP)),
            (["sell", "hold", "buy"], (DOWN, FLAT, UP)),
        ],
    )
    def test_names_say_what_outputs_mean(self, names: list[str], found: tuple[Direction, ...]) -> None:
        assert meanings(names, Folder("mine", TINY)) == found

    @pytest.mark.parametrize("names", [["LABEL_0", "LABEL_1", "LABEL_2"], ["joy", "anger"], ["positive", "neutral"]])
    def test_names_that_do_not_say_it_name_the_setting(self, names: list[str]) -> None:
        with pytest.raises(NotConfigured, match="TRANSFORMER_LABELS, like mine=bearish"):
            meanings(names, Folder("mine", TINY))

    def test_the_operator_may_say_it(self, changed: Callable[..., Folder]) -> None:
        folder = changed(id2label={"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"})
        with pytest.raises(NotConfigured, match="TRANSFORMER_LABELS"):
            TransformerAnalyzer(folder)
        turned = TransformerAnalyzer(Folder("mine", folder.path, (UP, FLAT, DOWN)))
        assert turned.analyze("we buy btc now", []).type is DOWN

    def test_the_operator_may_not_say_too_little(self) -> None:
        with pytest.raises(NotConfigured, match="mine has 3 outputs, not 2"):
            meanings(["a", "b", "c"], Folder("mine", TINY, (UP, DOWN)))

    def test_several_outputs_may_mean_the_same(self, changed: Callable[..., Folder]) -> None:
        folder = changed()
        both = TransformerAnalyzer(Folder("mine", folder.path, (UP, DOWN, UP)))
        assert both.analyze("we buy btc now", []).type is UP


class TestFolders:
    @pytest.mark.parametrize("name", ["model.onnx", "config.json", "tokenizer.json"])
    def test_a_missing_file_is_named(self, changed: Callable[..., Folder], name: str) -> None:
        with pytest.raises(NotConfigured, match=f"TRANSFORMER_MODELS: mine=.*has no {name}; .*export_model"):
            TransformerAnalyzer(changed(without=name))

    @pytest.mark.parametrize("name", ["model.onnx", "config.json", "tokenizer.json"])
    def test_a_broken_file_is_refused(self, changed: Callable[..., Folder], name: str) -> None:
        folder = changed()
        (folder.path / name).write_bytes(b"\x00broken")
        with pytest.raises(NotConfigured, match=name):
            TransformerAnalyzer(folder)

    def test_labels_that_the_model_has_not_are_refused(self, changed: Callable[..., Folder]) -> None:
        folder = changed(id2label={"0": "bearish", "1": "bullish"})
        with pytest.raises(NotConfigured, match="not one number for each of the 2 labels"):
            TransformerAnalyzer(folder)

    def test_an_embedding_is_no_classifier(self, changed: Callable[..., Folder]) -> None:
        folder = changed()
        weights = Path(__file__).resolve().parents[3] / "apps" / "signals" / "weights"
        shutil.copy(weights / "minilm.int8.onnx", folder.path / "model.onnx")
        with pytest.raises(NotConfigured, match="not one number for each"):
            TransformerAnalyzer(folder)

    @pytest.mark.parametrize("own", [{"temperature": 0}, {"temperature": "warm"}])
    def test_a_strange_temperature_is_refused(self, changed: Callable[..., Folder], own: dict[str, Any]) -> None:
        with pytest.raises(NotConfigured, match=r"tradebot\.json"):
            TransformerAnalyzer(changed(own=own))


class TestSettings:
    def test_several_run_beside_each_other_each_in_its_seat(self, settings: Any) -> None:
        settings.TRANSFORMER_MODELS = f"one={TINY}, two={TINY}"
        settings.TRANSFORMER_LABELS = "two=bullish|neutral|bearish"
        plugins = load_analyzers({"minilm": {"enabled": False}, "two": {"weight": 0.1}})
        made = [plugin for plugin in plugins if plugin.name in ("one", "two")]
        assert [(plugin.name, plugin.weight) for plugin in made] == [("one", 0.5), ("two", 0.1)]
        assert made[0].version != made[1].version
        rows = Panel(made).judge([post("we buy btc now"), post("crash")])
        assert [[each.direction for each in row] for row in rows] == [[UP, DOWN], [DOWN, UP]]

    def test_one_that_cannot_be_made_leaves_the_others(self, settings: Any) -> None:
        settings.TRANSFORMER_MODELS = f"gone=/no/such/folder,tiny={TINY},rules={TINY}"
        with capture_logs() as logs:
            names = [plugin.name for plugin in load_analyzers({"minilm": {"enabled": False}})]
        assert [name for name in names if name in ("gone", "tiny", "rules")] == ["rules", "tiny"]
        told = {each["analyzer"]: each["reason"] for each in logs if each["event"] == "analyzer_not_configured"}
        assert "has no model.onnx" in told["gone"]
        assert "name of another analyzer" in told["rules"]

    @pytest.mark.parametrize(
        ("models", "labels", "named"),
        [
            ("/models/finbert", "", "TRANSFORMER_MODELS: '/models/finbert' is not NAME=VALUE"),
            ("Fin Bert=/x", "", "TRANSFORMER_MODELS: 'Fin Bert' is no name"),
            ("a=/x,a=/y", "", "TRANSFORMER_MODELS names 'a' twice"),
            ("a=/x", "b=bullish|bearish", "TRANSFORMER_LABELS names 'b'"),
            ("a=/x", "a=great|awful", "TRANSFORMER_LABELS: 'great' is none of"),
            ("a=", "", "TRANSFORMER_MODELS"),
        ],
    )
    def test_a_wrong_setting_is_named(self, settings: Any, models: str, labels: str, named: str) -> None:
        settings.TRANSFORMER_MODELS, settings.TRANSFORMER_LABELS = models, labels
        with pytest.raises(NotConfigured) as told:
            folders()
        assert named in str(told.value)


class TestExport:
    def test_without_pytorch_it_names_the_requirements(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "torch", None)
        with pytest.raises(CommandError, match=r"torch is not installed.*requirements/train\.txt"):
            call_command("export_model", str(TINY), str(tmp_path / "out"))
