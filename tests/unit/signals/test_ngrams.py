"""The n-gram analyzer: what it reads of a text, its file, and that it quotes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from apps.signals.adapters import e5, embedder
from apps.signals.adapters.hashing import counts, places, plain
from apps.signals.adapters.ngrams import NGramAnalyzer, Table, load, save
from tradebot.contracts.errors import NotConfigured
from tradebot.contracts.values import Direction

BITS = 12


def table(words: dict[str, int]) -> Table:
    """A model that knows whole texts: each speaks for the class at its place."""
    weights = np.zeros((2**BITS, 3), dtype=np.float32)
    for text, place in words.items():
        weights[np.unique(places(plain(text), BITS)), place] += 3.0
    return Table(BITS, np.ones(2**BITS, dtype=np.float32), weights, np.zeros(3, dtype=np.float32), "ngrams-test")


@pytest.fixture(scope="module")
def shipped() -> NGramAnalyzer:
    return NGramAnalyzer()


def test_case_width_links_names_and_numbers_make_no_difference() -> None:
    assert plain("ＢＴＣ at 61,200  https://example.com/x @Someone") == plain("btc AT 7,3 www.example.org @other")


@pytest.mark.parametrize("text", [
    "详情 https://t.co/bd0xbFGjkT 比特币",
    "详情 HTTPS://example.com/a?b=c(d)比特币",
    "详情 www.example.com/比特币",
])  # fmt: skip
def test_an_address_is_no_speech_and_ends_before_the_next_chinese_letter(text: str) -> None:
    assert plain(text) == "详情 比特币"


@pytest.mark.parametrize("file", [embedder.TOKENIZER, e5.TOKENIZER])
@pytest.mark.parametrize("text", ["buy BTC{} now", "{}比特币上线币安"])
def test_an_encoder_reads_no_address(file: str, text: str) -> None:
    splitter = embedder.tokenizer(embedder.WEIGHTS / file)
    assert splitter.encode(text.format(" https://t.co/bd0xbFGjkT ")).tokens == splitter.encode(text.format(" ")).tokens


@pytest.mark.parametrize("file", [embedder.TOKENIZER, e5.TOKENIZER])
def test_an_address_at_either_end_leaves_no_trace(file: str) -> None:
    splitter = embedder.tokenizer(embedder.WEIGHTS / file)
    text = "https://t.co/bd0xbFGjkT 比特币 up https://t.co/bd0xbFGjkT"
    assert splitter.encode(text).tokens == splitter.encode("比特币 up").tokens


def test_the_same_text_has_the_same_places_and_another_has_others() -> None:
    rows, often = counts("buy buy buy", BITS)
    again, _ = counts("buy buy buy", BITS)
    other, _ = counts("出货", BITS)
    assert np.array_equal(rows, again)
    assert often.max() >= 3
    assert not set(other.tolist()) <= set(rows.tolist())
    assert rows.max() < 2**BITS


def test_the_order_of_letters_counts() -> None:
    assert not np.array_equal(counts("ab", BITS)[0], counts("ba", BITS)[0])


@pytest.mark.parametrize("text", ["", " ", "🚀", "a", "涨", "\u200b"])
def test_short_and_odd_texts_are_read(text: str) -> None:
    said = NGramAnalyzer(table=table({"buy": 2})).analyze(text, [])
    assert 0 <= said.confidence <= 1


def test_a_table_survives_its_file(tmp_path: Path) -> None:
    made = table({"buy the dip": 2, "sell it all": 0})
    save(made, tmp_path / "ngrams.npz")
    found = load(tmp_path / "ngrams.npz")
    texts = ["buy the dip", "sell it all", "hello"]
    assert np.allclose(found.probabilities(texts), made.probabilities(texts), atol=0.02)
    assert found.version.startswith("ngrams-")


def test_a_file_that_is_absent_or_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match="missing"):
        load(tmp_path / "ngrams.npz")
    (tmp_path / "ngrams.npz").write_bytes(b"no archive")
    with pytest.raises(NotConfigured, match="no n-gram model"):
        load(tmp_path / "ngrams.npz")


def test_two_experts_are_mixed_by_their_gate() -> None:
    weights = np.zeros((2**BITS, 7), dtype=np.float32)
    crypto, news = np.array([9, 0, 0, 0, 0, 9, -20]), np.array([9, 0, 0, 0, 0, 9, 20])
    rare = np.ones(2**BITS, dtype=np.float32)
    chances = [
        Table(BITS, rare, weights, bias.astype(np.float32)).probabilities(["x"])[0].argmax() for bias in (crypto, news)
    ]
    assert chances == [0, 2]


def test_it_quotes_the_piece_that_speaks_most() -> None:
    text = "Good morning all. 主力在出货,快跑! nice day"
    said = NGramAnalyzer(table=table({"主力在出货": 0})).analyze(text, [])
    assert said.type is Direction.BEARISH
    (quote,) = said.evidence
    assert quote.span is not None
    assert text[slice(*quote.span)] == quote.quote
    assert "出货" in quote.quote


def test_the_shipped_model_reads_both_languages(shipped: NGramAnalyzer) -> None:
    said = {text: shipped.analyze(text, []).type for text in ("buy the dip, loading up more", "全部清仓,快跑,要跌了")}
    assert list(said.values()) == [Direction.BULLISH, Direction.BEARISH]
