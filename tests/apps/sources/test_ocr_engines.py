"""Both engines read what stands in a screenshot, and say where."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from apps.sources.adapters.images import decode
from apps.sources.adapters.ocr.engine import Checked, OcrEngine, Single, made
from apps.sources.adapters.ocr.rapid import detection_side
from apps.sources.adapters.ocr.tesseract import ByProgram, TesseractEngine
from apps.sources.domain.picture import Reading, reading_of
from tests.apps.sources.pictures import plain, screenshot
from tradebot.contracts.errors import NotConfigured
from tradebot.contracts.messages import Box

LINES = ["Sample exchange will list $DOGE", "Price 0.1034 USD, +25%"]
ENGINES = ("rapidocr", "tesseract", "tesseract by program")


@functools.cache
def engine(name: str) -> OcrEngine:
    return Single(TesseractEngine(ByProgram())) if name == "tesseract by program" else made(name, threads=1)


def read(name: str, data: bytes) -> Reading:
    (reading,) = engine(name).read([decode(data)])
    return reading


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ENGINES)
def test_a_screenshot_is_read_line_by_line(name: str, dark: bool) -> None:
    reading = read(name, screenshot(LINES, dark=dark))

    assert reading.text.split("\n") == LINES
    assert reading.confidence > 0.8
    assert [box.text for box in reading.boxes] == LINES
    assert not any(box.unsure for box in reading.boxes)


@pytest.mark.parametrize("name", ENGINES)
def test_boxes_stand_where_the_words_are_in_the_pictures_own_pixels(name: str) -> None:
    for place, box in enumerate(read(name, screenshot(LINES)).boxes):
        middle = sum(y for _, y in box.points) / 4
        assert 30 + 60 * place <= middle <= 70 + 60 * place
        assert min(x for x, _ in box.points) < 60


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("size", [(1, 1), (20, 10), (900, 300)])
def test_a_picture_without_words_is_an_empty_reading(name: str, size: tuple[int, int]) -> None:
    assert read(name, plain(*size)).text == ""


def test_pictures_read_together_are_read_as_alone() -> None:
    first, second = screenshot(LINES[:1]), screenshot(LINES[1:], dark=True)

    together = engine("rapidocr").read([decode(data) for data in (first, plain(), second)])

    assert together == [read("rapidocr", data) for data in (first, plain(), second)]


def test_a_long_screenshot_is_not_shrunk_until_nothing_can_be_read() -> None:
    lines = [f"Sample number {place} listed" if place % 12 == 0 else "" for place in range(73)]

    assert read("rapidocr", screenshot(lines)).text.split("\n") == [line for line in lines if line]


@pytest.mark.parametrize(
    ("size", "side"), [((20, 10), 736), ((1080, 1600), 736), ((1000, 4000), 1840), ((6000, 6000), 1224)]
)
def test_the_detection_size_grows_with_the_picture_up_to_a_bound(size: tuple[int, int], side: int) -> None:
    assert detection_side(*size) == side


def test_an_engine_says_what_it_runs_on() -> None:
    assert engine("rapidocr").provider in {"CPUExecutionProvider", "CUDAExecutionProvider"}
    assert engine("tesseract").provider.startswith("tesseract ")


def test_an_unknown_name_says_which_are_known() -> None:
    with pytest.raises(NotConfigured, match="auto, rapidocr, tesseract"):
        made("magic", threads=1)


class Claims:
    """An engine that claims to have read one line."""

    name, provider, note, batch = "claims", "none", "", 1

    def __init__(self, text: str, confidence: float) -> None:
        corners = [(20.0, 20.0), (880.0, 20.0), (880.0, 85.0), (20.0, 85.0)]
        self._reading = reading_of([Box(text=text, confidence=confidence, points=corners)], self.name)

    def read(self, pictures: Any) -> list[Reading]:
        return [self._reading for _ in pictures]


@pytest.mark.parametrize(
    ("claimed", "confidence", "unsure", "engine_name"),
    [
        ("Price 0.1034 USD, +25%", 0.9, False, "claims+tesseract"),
        ("Price 0.1084 USD, +25%", 0.9, True, "claims+tesseract"),
        ("Price 0.1034 USO, +25%", 0.9, True, "claims+tesseract"),
        ("Price 0.1084 USD, +25%", 0.99, False, "claims"),
        ("no number here", 0.9, False, "claims"),
        ("no number here", 0.75, True, "claims"),
    ],
)
def test_a_doubtful_line_is_unsure_unless_the_second_engine_reads_the_same(
    claimed: str, confidence: float, unsure: bool, engine_name: str
) -> None:
    checked = Checked(Claims(claimed, confidence), TesseractEngine())

    (reading,) = checked.read([decode(screenshot(LINES[1:]))])

    assert [(box.text, box.unsure) for box in reading.boxes] == [(claimed, unsure)]
    assert reading.engine == engine_name


def test_a_faint_picture_goes_to_the_second_engine() -> None:
    checked = Checked(Claims("Pr1ce", 0.55), TesseractEngine())

    (reading,) = checked.read([decode(screenshot(LINES[1:]))])

    assert (reading.text, reading.engine) == (LINES[1], "tesseract")
