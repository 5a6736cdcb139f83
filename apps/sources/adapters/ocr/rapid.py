"""PP-OCRv6 (Chinese and English) through onnxruntime; the weights come inside the rapidocr wheel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnxruntime
from rapidocr import RapidOCR

from apps.sources.adapters.images import SIDE_LIMIT, Picture
from apps.sources.domain.clean import visible
from apps.sources.domain.picture import Reading, reading_of
from tradebot.contracts.messages import Box

_CUDA = "CUDAExecutionProvider"
_SIDE = 736
"""Pixels of the longer side at which lines are looked for: the best of those measured on screenshots."""
_SCALE = 0.46
"""Larger pictures are shrunk no further than this, or their lines are not found any more ..."""
_AREA = 1_500_000
"""... unless that takes more pixels than these, which bound the memory."""


class RapidEngine:
    """PP-OCRv6 small. `threads` bounds what one picture takes on a CPU; CUDA is used when onnxruntime has it."""

    name = "pp-ocrv6"

    def __init__(self, threads: int) -> None:
        self._ocr = _made(threads)
        self._detector = self._ocr._load_det_model()
        self._ocr._load_rec_model()
        self.provider: str = self._detector.session.session.get_providers()[0]

    def read(self, picture: Picture) -> Reading:
        """Text, confidence and boxes of the picture; an empty reading where it holds no text."""
        self._detector.limit_side_len = detection_side(picture.width, picture.height)
        result = self._ocr(np.ascontiguousarray(picture.pixels[:, :, ::-1]))
        if result.boxes is None or result.txts is None:
            return Reading(engine=self.name)
        lines = zip(result.boxes, result.txts, result.scores, strict=True)
        boxes = [_box(points, text, score) for points, text, score in lines]
        return reading_of([box for box in boxes if box.text], self.name)


def _made(threads: int) -> Any:
    return RapidOCR(params=_parameters(threads))


def _parameters(threads: int) -> dict[str, Any]:
    # Posts are upright, so the angle classifier only costs time; measured in docs/models.md.
    return {
        "Global.use_cls": False,
        "Global.max_side_len": SIDE_LIMIT,
        "Global.log_level": "error",
        "Det.limit_type": "max",
        "Det.limit_side_len": _SIDE,
        "EngineConfig.onnxruntime.intra_op_num_threads": threads,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        "EngineConfig.onnxruntime.use_cuda": _CUDA in onnxruntime.get_available_providers(),
    }


def detection_side(width: int, height: int) -> int:
    """Pixels of the longer side of a picture when its lines are looked for."""
    longer = max(width, height)
    bounded = math.sqrt(_AREA / (width * height))
    return max(_SIDE, int(longer * min(_SCALE, bounded)))


def _box(points: Any, text: str, score: float) -> Box:
    corners = [(round(float(x), 1), round(float(y), 1)) for x, y in points]
    return Box(text=visible(text), confidence=round(min(1.0, max(0.0, float(score))), 4), points=corners)
