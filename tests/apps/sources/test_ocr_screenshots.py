"""A few of the rendered screenshots, as the product reads them; `make evaluate` reads them all."""

from __future__ import annotations

import pytest

from apps.sources.domain.picture import Reading, Seen
from tests.screenshots.maker import IMAGES
from tests.screenshots.score import distance, evaluate, score, truth

KINDS = {"tweet-light", "tweet-dark", "notice", "chart", "chinese", "mixed"}
SAMPLE = ["tweet-light-06.jpg", "tweet-dark-21.jpg", "chart-39.jpg", "chinese-56.jpg", "mixed-65.jpg"]


def test_what_is_rendered_is_read() -> None:
    told = evaluate(SAMPLE)

    assert told["cer"] <= 0.005
    assert told["exact"] == 1
    assert len(told["kinds"]) == len(SAMPLE)


def test_every_picture_has_its_truth_and_every_kind_many_pictures() -> None:
    kinds = [told["kind"] for told in truth().values()]

    assert {path.name for path in IMAGES.iterdir()} == set(truth())
    assert set(kinds) == KINDS
    assert len(kinds) >= 60
    assert min(kinds.count(kind) for kind in KINDS) >= 8


@pytest.mark.parametrize(
    ("one", "other", "steps"), [("", "", 0), ("abc", "abd", 1), ("abc", "", 3), ("70,000", "7000", 2)]
)
def test_errors_are_counted_by_characters(one: str, other: str, steps: int) -> None:
    assert distance(one, other) == steps


def test_a_wrong_digit_is_no_exact_number() -> None:
    told = score("Stop 2,985 for $ETH", Seen(reading=Reading(text="Stop 2,935 for  $ETH"))).told()

    assert (told["tokens"], told["exact"]) == (2, 0.5)
    assert told["cer"] == pytest.approx(1 / 19, abs=1e-6)
