"""What reading a picture costs: the OCR process beside bare PP-OCR, and its Tesseract beside default pytesseract."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from apps.sources.adapters.ocr.process import Limits, Reader
from tests.bench.results import Result, at_least
from tests.screenshots.maker import IMAGES
from tests.screenshots.score import truth

EVERY = 6
"""Of the screenshots, one in so many; each kind is among them."""
THREADS = 2
PATIENT = Limits(seconds=300, memory_mib=2_048)


def run() -> list[Result]:
    """Pictures a second, both sides in turns on the same pictures."""
    pictures = [(IMAGES / name).read_bytes() for name in list(truth())[::EVERY]]
    return [_beside_pp_ocr(pictures), _beside_pytesseract(pictures)]


def _beside_pp_ocr(pictures: Sequence[bytes]) -> Result:
    reader = Reader("auto", THREADS, PATIENT)
    provider = reader.ready().provider.split(",")[0]
    ours, bare = _in_turns(pictures, lambda picture: reader.read([picture]), bare_pp_ocr())
    reader.close()
    return at_least(f"pictures read ({provider}), bare PP-OCR beside it", ours, "pictures/s", bare, 0.9)


def _beside_pytesseract(pictures: Sequence[bytes]) -> Result:
    reader = Reader("tesseract", 1, PATIENT)
    reader.ready()
    ours, bare = _in_turns(pictures, lambda picture: reader.read([picture]), bare_pytesseract())
    reader.close()
    return at_least("pictures read by Tesseract, default pytesseract beside it", ours, "pictures/s", bare, 2)


def _in_turns(
    pictures: Sequence[bytes], ours: Callable[[bytes], Any], bare: Callable[[bytes], Any]
) -> tuple[float, float]:
    """Pictures a second of both. Each takes the first picture once before, for what is only made once."""
    taken = [0.0, 0.0]
    for place, picture in enumerate([pictures[0], *pictures]):
        for side, read in enumerate((ours, bare)):
            started = time.perf_counter()
            read(picture)
            taken[side] += (time.perf_counter() - started) * (place > 0)
    return len(pictures) / taken[0], len(pictures) / taken[1]


def bare_pp_ocr() -> Callable[[bytes], Any]:
    """rapidocr as it comes, with the settings of docs/models.md that find the lines."""
    import cv2
    import numpy as np
    from rapidocr import RapidOCR

    engine: Any = RapidOCR(
        params={
            "Global.use_cls": False,
            "Global.log_level": "error",
            "Det.limit_type": "max",
            "Det.limit_side_len": 736,
            "EngineConfig.onnxruntime.intra_op_num_threads": THREADS,
        }
    )
    return lambda picture: engine(cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR))


def bare_pytesseract() -> Callable[[bytes], Any]:
    """pytesseract as it comes, with both languages."""
    import pytesseract
    from PIL import Image

    os.environ.pop("OMP_THREAD_LIMIT", None)
    return lambda picture: pytesseract.image_to_string(Image.open(io.BytesIO(picture)), lang="eng+chi_sim")
