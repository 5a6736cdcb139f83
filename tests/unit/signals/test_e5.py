"""The second encoder, and who judges a post in which script."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from apps.signals.adapters import e5
from apps.signals.adapters.classifier import ClassifierAnalyzer
from apps.signals.adapters.e5 import E5, doubtful, get_e5, second_look, together, version
from apps.signals.adapters.embedder import Chances, get_embedder, pack_chances
from apps.signals.domain.beliefs import SETS, likeliest, of_row
from apps.signals.domain.scripts import chinese, latin
from tests.unit.signals.test_analyzers import post
from tradebot.contracts.errors import NotConfigured
from tradebot.contracts.values import Direction

UP, DOWN = "以太坊现货ETF今天正式获批", "交易所热钱包被盗,BTC 要跌"


@pytest.mark.parametrize(
    ("text", "by_minilm", "by_e5"),
    [
        ("buy BTC", True, False),
        ("买BTC买", False, True),
        ("BTC long entry 65000 止损三", True, False),
        ("大饼 ETH 涨", False, True),
        ("大饼要涨 https://t.co/bd0xbFGjkT", False, True),
        ("https://t.co/bd0xbFGjkT", False, False),
        ("買う", False, True),
        ("비트코인 지금 매수", False, False),
        ("покупаю биткоин", False, False),
        ("🚀🚀 100", False, False),
        ("", False, False),
    ],
)
def test_each_script_has_its_reader(text: str, by_minilm: bool, by_e5: bool) -> None:
    assert latin(text) is by_minilm
    assert chinese(text) is by_e5


def test_a_text_is_judged_alike_alone_and_among_others() -> None:
    texts = [UP, DOWN, "今天天气不错" * 20, "买"]
    together = get_e5().chances(texts)
    for text, row in zip(texts, together, strict=True):
        assert get_e5().chances([text])[0] == pytest.approx(row, abs=0.05)
        of_row(row.tolist())


def test_it_knows_good_news_from_bad() -> None:
    up, down = (likeliest(of_row(row.tolist()).direction) for row in get_e5().chances([UP, DOWN]))
    assert (up, down) == ("bullish", "bearish")


def test_a_text_longer_than_the_model_reads_is_cut() -> None:
    assert get_e5().chances(["跌" * 4_000]).shape == (1, 22)


def test_of_a_mixed_batch_each_is_judged_by_the_encoder_of_its_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(e5, "DOUBT", {True: 0.0})
    texts = [UP, "Bitcoin ETF approved", DOWN]
    chances, judges = looked(texts)
    assert judges == [get_e5().version, get_embedder().version, get_e5().version]
    assert np.allclose(chances[[0, 2]], get_e5().chances([UP, DOWN]), atol=0.02)
    assert np.array_equal(chances[1], get_embedder().read(texts)[1][1])


def test_where_minilm_is_in_doubt_both_have_a_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(e5, "DOUBT", {True: 1.1})
    mine, other = even(), even()
    mine[:3], other[:3] = (0.5, 0.3, 0.2), (0.1, 0.2, 0.7)
    monkeypatch.setattr(e5, "get_e5", lambda: Fixed(other))
    (found,), judges = second_look(["sure, outflows"], mine[None], "first")
    assert judges == ["first+fixed"]
    assert np.array_equal(found, together(mine[None], other[None])[0])
    assert not np.allclose(found[:3], mine[:3], atol=0.1)
    of_row(found.tolist())


class Fixed:
    """An encoder with one opinion of all texts."""

    version = "fixed"

    def __init__(self, row: Chances) -> None:
        self._row = row

    def chances(self, texts: list[str]) -> Chances:
        return np.stack([self._row] * len(texts))


def test_doubt_is_about_the_direction_alone() -> None:
    sure, unsure = even(), even()
    sure[:3], unsure[:3] = (0.05, 0.05, 0.9), (0.2, 0.2, 0.6)
    unsure[-4:] = (0.97, 0.01, 0.01, 0.01)
    assert not doubtful(sure, about=True)
    assert doubtful(unsure, about=True)


def test_two_that_agree_are_surer_together_and_two_that_contradict_undecided() -> None:
    up, down = even(), even()
    up[:3], down[:3] = (0.1, 0.2, 0.7), (0.7, 0.2, 0.1)
    whole = {"direction": (1.0, 1.0), "event": (1.0, 1.0), "mood": (1.0, 1.0)}
    ((_, _, surer), *_) = together(up[None], up[None], whole)[:, :3]
    (torn,) = together(up[None], down[None], whole)[:, :3]
    assert surer > 0.9
    assert torn[0] == pytest.approx(torn[2])


def test_who_has_the_whole_share_decides_alone() -> None:
    up, down = even(), even()
    up[:3], down[:3] = (0.1, 0.2, 0.7), (0.7, 0.2, 0.1)
    mine = {"direction": (0.0, 1.0), "event": (0.0, 1.0), "mood": (0.0, 1.0)}
    assert together(up[None], down[None], mine)[0] == pytest.approx(down, abs=1e-6)


def test_what_is_about_no_coin_is_worth_a_second_look_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(e5, "DOUBT", {True: 1.1, False: 0.0})
    texts = ["bought more SOL, or did I", "bought more cheese, or did I", UP]
    _, judges = looked(texts, [True, False, False])
    first = get_embedder().version
    assert judges == [f"{first}+{get_e5().version}", first, get_e5().version]


def looked(texts: list[str], about: list[bool] | None = None) -> tuple[Chances, list[str]]:
    return second_look(texts, get_embedder().read(texts)[1], get_embedder().version, about)


def even() -> Chances:
    """Chances of one text that knows nothing."""
    return np.concatenate([np.full(len(names), 1 / len(names), dtype=np.float32) for names in SETS.values()])


def test_the_analyzer_takes_the_chances_that_came_along_or_asks_itself() -> None:
    (row,) = get_e5().chances([DOWN])
    brought = post(DOWN, chances=pack_chances(row), judge=get_e5().version)
    one, other = ClassifierAnalyzer().analyze_batch([brought, post(DOWN)])
    assert one.type is other.type is Direction.BEARISH
    assert one.confidence == pytest.approx(other.confidence, abs=0.01)
    assert one.evidence[0].quote == DOWN


def test_what_an_older_sender_says_of_chinese_counts_for_nothing() -> None:
    (row,) = get_embedder().read([DOWN])[1]
    (said,) = ClassifierAnalyzer().analyze_batch([post(DOWN, chances=pack_chances(row))])
    assert said.confidence == 0


def test_both_encoders_stand_in_the_version() -> None:
    assert get_e5().version in ClassifierAnalyzer().version


def test_without_its_files_chinese_is_left_to_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(e5, "get_e5", lambda: get_e5(tmp_path))
    with capture_logs() as logs:
        for _ in range(2):
            assert ClassifierAnalyzer().analyze(DOWN, []).confidence == 0
    (told,) = [each for each in logs if each["event"] == "encoder_not_configured"]
    assert "restore apps/signals/weights" in told["reason"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for file in (e5.PACKED, e5.MODEL, e5.TOKENIZER):
        with pytest.raises(NotConfigured, match=re.escape(file)):
            E5(tmp_path)
        (tmp_path / file).write_bytes((e5.WEIGHTS / file).read_bytes())
    assert E5(tmp_path).version == get_e5().version


def test_its_version_is_told_where_its_weights_are(tmp_path: Path) -> None:
    assert version(tmp_path) == ""
    for file in (e5.PACKED, e5.MODEL):
        (tmp_path / file).write_bytes((e5.WEIGHTS / file).read_bytes())
    assert version(tmp_path) == f"+{get_e5().version}"
