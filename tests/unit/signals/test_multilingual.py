"""The multilingual encoder out of its package (PyTorch; where requirements/train.txt is installed)."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from apps.signals.training import multilingual  # noqa: E402 - it needs PyTorch

SAME = ("query: The exchange was hacked", "query: 交易所被黑客攻击")
OTHER = ("query: I love pizza with cheese", "query: 我喜欢芝士披萨")


@pytest.fixture(scope="module")
def whole() -> multilingual.Packed:
    return multilingual.packed()


def test_a_cut_tokenizer_splits_its_texts_as_the_whole_one_does(whole: multilingual.Packed) -> None:
    everything = multilingual.tokenizer(zip(whole.pieces, whole.scores, strict=True))
    cut, kept = multilingual.cut(SAME, whole)
    assert len(kept) < 20_000
    for text in SAME:
        assert cut.encode(text).tokens == everything.encode(text).tokens


def test_a_letter_that_no_text_had_is_known_still(whole: multilingual.Packed) -> None:
    cut, _ = multilingual.cut(SAME, whole)
    assert multilingual.UNKNOWN not in cut.encode("跌破支撑位 dump").ids


def test_words_that_came_seldom_are_left_out_and_letters_are_not(whole: multilingual.Packed) -> None:
    full, everything = multilingual.cut(SAME, whole)
    cut, kept = multilingual.cut(SAME, whole, 2, multilingual.likely_chinese)
    assert len(kept) < len(everything)
    assert "▁exchange" in full.encode(SAME[0]).tokens
    assert "▁exchange" not in cut.encode(SAME[0]).tokens
    assert multilingual.UNKNOWN not in cut.encode("交易所被黑客攻击").ids


def test_which_letters_are_likely_in_chinese_posts() -> None:
    assert multilingual.likely_chinese("跌", -10.0)
    assert multilingual.likely_chinese("a", -10.0)
    assert not multilingual.likely_chinese("跌", -20.0)
    assert not multilingual.likely_chinese("ж", -10.0)


def test_a_sentence_is_nearer_to_its_translation_than_to_another(whole: multilingual.Packed) -> None:
    cut, kept = multilingual.cut([*SAME, *OTHER], whole)
    model = multilingual.encoder(whole, kept)

    def vector(text: str) -> torch.Tensor:
        ids = torch.tensor([cut.encode(text).ids])
        with torch.no_grad():
            states = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        return torch.nn.functional.normalize(states.mean(1), dim=1)[0]

    one, same, other, again = map(vector, (*SAME, *OTHER))
    assert one @ same > one @ again
    assert other @ again > other @ same
