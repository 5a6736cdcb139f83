"""Both engines read what stands in a screenshot, and say where."""

from __future__ import annotations

import pytest

from apps.sources.adapters.images import decode
from apps.sources.adapters.ocr import ENGINES, default_engine, engine
from apps.sources.adapters.ocr.rapid import detection_side
from tests.apps.sources.pictures import plain, screenshot
from tradebot.contracts.errors import NotConfigured

LINES = ["Sample exchange will list $DOGE", "Price 0.1034 USD, +25%"]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ENGINES)
def test_a_screenshot_is_read_line_by_line(name: str, dark: bool) -> None:
    reading = engine(name).read(decode(screenshot(LINES, dark=dark)))

    assert reading.text.split("\n") == LINES
    assert reading.confidence > 0.8
    assert [box.text for box in reading.boxes] == LINES


@pytest.mark.parametrize("name", ENGINES)
def test_boxes_stand_where_the_words_are_in_the_pictures_own_pixels(name: str) -> None:
    reading = engine(name).read(decode(screenshot(LINES)))

    for place, box in enumerate(reading.boxes):
        middle = sum(y for _, y in box.points) / 4
        assert 30 + 60 * place <= middle <= 70 + 60 * place
        assert min(x for x, _ in box.points) < 60


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("size", [(1, 1), (20, 10), (900, 300)])
def test_a_picture_without_words_is_an_empty_reading(name: str, size: tuple[int, int]) -> None:
    assert engine(name).read(decode(plain(*size))).text == ""


def test_a_long_screenshot_is_not_shrunk_until_nothing_can_be_read() -> None:
    lines = [f"Sample number {place} listed" if place % 12 == 0 else "" for place in range(73)]

    reading = engine("rapidocr").read(decode(screenshot(lines)))

    assert reading.text.split("\n") == [line for line in lines if line]


@pytest.mark.parametrize(
    ("size", "side"), [((20, 10), 736), ((1080, 1600), 736), ((1000, 4000), 1840), ((6000, 6000), 1224)]
)
def test_the_detection_size_grows_with_the_picture_up_to_a_bound(size: tuple[int, int], side: int) -> None:
    assert detection_side(*size) == side


def test_an_engine_is_made_once_and_says_what_it_runs_on() -> None:
    assert engine("rapidocr") is engine("rapidocr")
    assert engine("rapidocr").provider in {"CPUExecutionProvider", "CUDAExecutionProvider"}
    assert engine("tesseract").provider.startswith("tesseract ")


def test_the_setting_chooses_and_an_unknown_name_says_which_are_known(settings: object) -> None:
    settings.OCR_ENGINE = "tesseract"  # type: ignore[attr-defined]
    assert default_engine().name == "tesseract"

    settings.OCR_ENGINE = "magic"  # type: ignore[attr-defined]
    with pytest.raises(NotConfigured, match="rapidocr, tesseract"):
        default_engine()
