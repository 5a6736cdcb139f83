"""PP-OCRv6 (Chinese and English) through onnxruntime; the weights come inside the rapidocr wheel."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from rapidocr import RapidOCR
from rapidocr.main import RapidOCRError
from rapidocr.utils.process_img import map_boxes_to_original

from apps.sources.adapters.images import SIDE_LIMIT, Picture
from apps.sources.adapters.ocr.decoding import LineDecoder
from apps.sources.domain.clean import visible
from apps.sources.domain.picture import Reading, reading_of
from tradebot.contracts.messages import Box

_CUDA = "CUDAExecutionProvider"
_LINES_ON_CPU = 1
"""Lines recognised at once: together they are padded to the longest, which costs a CPU more than it saves ..."""
_LINES_ON_GPU = 32
"""... and a GPU less."""
_PICTURES_ON_GPU = 16
_LEAST = 0.5
"""Confidence below which what was found is no text."""
_SIDE = 736
"""Pixels of the longer side at which lines are looked for: the best of those measured on screenshots."""
_SCALE = 0.46
"""Larger pictures are shrunk no further than this, or their lines are not found any more ..."""
_AREA = 1_500_000
"""... unless that takes more pixels than these, which bound the memory."""


@dataclass(frozen=True, slots=True)
class _Found:
    """Where the lines of a picture are: their cut-outs, their corners and what was done to the picture before."""

    crops: list[Any]
    corners: Any
    done: dict[str, Any]


class RapidEngine:
    """PP-OCRv6 small. `threads` bounds what one picture takes on a CPU; CUDA is used when onnxruntime has it."""

    name, note = "pp-ocrv6", ""

    def __init__(self, threads: int) -> None:
        self._ocr = _made(threads)
        self._detector = self._ocr._load_det_model()
        recogniser = self._ocr._load_rec_model()
        recogniser.postprocess_op = LineDecoder(recogniser.postprocess_op.character)
        self.provider: str = self._detector.session.session.get_providers()[0]

    @property
    def batch(self) -> int:
        """Pictures worth reading together."""
        return _PICTURES_ON_GPU if self.provider == _CUDA else 1

    def read(self, pictures: Sequence[Picture]) -> list[Reading]:
        """Text, confidence and boxes of each picture; an empty reading where one holds no text. The lines of all of
        them are recognised together."""
        found = [self._find(picture) for picture in pictures]
        crops = [crop for each in found for crop in each.crops]
        lines = iter(self._recognise(crops))
        return [self._reading(picture, each, lines) for picture, each in zip(pictures, found, strict=True)]

    def _find(self, picture: Picture) -> _Found:
        self._detector.limit_side_len = detection_side(picture.width, picture.height)
        image, done = self._ocr.preprocess_img(np.ascontiguousarray(picture.pixels[:, :, ::-1]))
        try:
            crops, found = self._ocr.detect_and_crop(image, done)
        except RapidOCRError:
            return _Found([], None, done)
        return _Found(crops, found.boxes, done)

    def _recognise(self, crops: list[Any]) -> list[tuple[str, float]]:
        if not crops:
            return []
        told = self._ocr.recognize_txt(crops)
        return list(zip(told.txts, told.scores, strict=True))

    def _reading(self, picture: Picture, found: _Found, lines: Iterator[tuple[str, float]]) -> Reading:
        if not found.crops:
            return Reading(engine=self.name)
        corners = map_boxes_to_original(found.corners, found.done, picture.height, picture.width)
        boxes = [_box(points, *next(lines)) for points in corners]
        return reading_of([box for box in boxes if box.text and box.confidence >= _LEAST], self.name)


def _made(threads: int) -> Any:
    return RapidOCR(params=_parameters(threads))


def _parameters(threads: int) -> dict[str, Any]:
    # Posts are upright, so the angle classifier only costs time; measured in docs/models.md.
    cuda = _CUDA in onnxruntime.get_available_providers()
    return {
        "Global.use_cls": False,
        "Global.max_side_len": SIDE_LIMIT,
        "Global.log_level": "error",
        "Det.limit_type": "max",
        "Det.limit_side_len": _SIDE,
        "EngineConfig.onnxruntime.intra_op_num_threads": threads,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        "EngineConfig.onnxruntime.use_cuda": cuda,
        "Rec.rec_batch_num": _LINES_ON_GPU if cuda else _LINES_ON_CPU,
    }


def detection_side(width: int, height: int) -> int:
    """Pixels of the longer side of a picture when its lines are looked for."""
    longer = max(width, height)
    bounded = math.sqrt(_AREA / (width * height))
    return max(_SIDE, int(longer * min(_SCALE, bounded)))


def _box(points: Any, text: str, score: float) -> Box:
    corners = [(round(float(x), 1), round(float(y), 1)) for x, y in points]
    return Box(text=visible(text), confidence=round(min(1.0, max(0.0, float(score))), 4), points=corners)
