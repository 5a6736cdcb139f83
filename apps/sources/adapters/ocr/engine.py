"""The engine of the OCR process: PP-OCR reads, Tesseract looks again where tickers and numbers are not beyond doubt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from apps.sources.adapters.images import Picture
from apps.sources.adapters.ocr.tesseract import TesseractEngine, brightness_of
from apps.sources.domain.picture import Reading, reading_of
from apps.sources.domain.second_look import FAINT, LOOKS, Traits, doubtful, marked, traits
from tradebot.contracts.errors import NotConfigured, PermanentError

KNOWN = ("auto", "rapidocr", "tesseract")


class OcrEngine(Protocol):
    """Reads pictures, `batch` of them at a time at best. `read` must give one reading each, with boxes in the picture's
    own pixels; `note` says what is missing here, empty when nothing is."""

    name: str
    provider: str
    note: str

    @property
    def batch(self) -> int: ...

    def read(self, pictures: Sequence[Picture]) -> list[Reading]: ...


class Single:
    """Tesseract alone: one picture after the other."""

    name, note, batch = TesseractEngine.name, "", 1

    def __init__(self, engine: TesseractEngine) -> None:
        self._engine = engine
        self.provider = engine.provider

    def read(self, pictures: Sequence[Picture]) -> list[Reading]:
        """A reading of each picture."""
        return [self._engine.read(picture) for picture in pictures]


class Checked:
    """PP-OCR first; `second`, where there is one, reads what is faint and looks again at doubtful lines."""

    def __init__(self, first: OcrEngine, second: TesseractEngine | None, note: str = "") -> None:
        self._first, self._second, self.note = first, second, note
        self.name, self.batch = first.name, first.batch
        self.provider = f"{first.provider}, checked by {second.provider}" if second else first.provider

    def read(self, pictures: Sequence[Picture]) -> list[Reading]:
        """A reading of each picture; lines that are not to be believed are marked unsure."""
        readings = self._first.read(pictures)
        return [self._looked_at(picture, reading) for picture, reading in zip(pictures, readings, strict=True)]

    def _looked_at(self, picture: Picture, reading: Reading) -> Reading:
        if self._second is None:
            return reading_of([marked(box) for box in reading.boxes], reading.engine)
        look = traits(reading.boxes, brightness=brightness_of(picture), height=picture.height)
        if reading.boxes and reading.confidence < FAINT:
            return self._better(picture, reading, look, self._second)
        return self._compared(picture, reading, look, self._second)

    def _better(self, picture: Picture, reading: Reading, look: Traits, second: TesseractEngine) -> Reading:
        other = second.read(picture, look)
        chosen = other if other.confidence > reading.confidence and len(other.text) >= len(reading.text) else reading
        return reading_of([marked(box, "") for box in chosen.boxes], chosen.engine)

    def _compared(self, picture: Picture, reading: Reading, look: Traits, second: TesseractEngine) -> Reading:
        places = doubtful(reading.boxes)
        told = dict.fromkeys(places[LOOKS:], "")
        told |= {place: second.line(picture, reading.boxes[place], look) for place in places[:LOOKS]}
        boxes = [marked(box, told.get(place)) for place, box in enumerate(reading.boxes)]
        name = f"{reading.engine}+{second.name}" if told else reading.engine
        return reading_of(boxes, name)


def made(name: str, threads: int) -> OcrEngine:
    """The engine of that name: one of KNOWN. Raises NotConfigured when it can't run here."""
    if name == "tesseract":
        return Single(TesseractEngine())
    if name not in KNOWN:
        raise NotConfigured(f"OCR_ENGINE is {name!r}; known are {', '.join(KNOWN)}")
    from apps.sources.adapters.ocr.rapid import RapidEngine

    first = RapidEngine(threads)
    if name == "rapidocr":
        return Checked(first, None)
    try:
        return Checked(first, TesseractEngine())
    except (NotConfigured, PermanentError) as error:
        return Checked(first, None, f"no second engine: {error}")
