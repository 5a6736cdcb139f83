"""OCR engines behind one port, made once a process and only when a picture comes."""

from __future__ import annotations

import functools
from typing import Protocol

import structlog
from django.conf import settings

from apps.sources.adapters.images import Picture
from apps.sources.domain.picture import Reading
from tradebot.contracts.errors import NotConfigured

ENGINES = ("rapidocr", "tesseract")

_log = structlog.get_logger(__name__)


class OcrEngine(Protocol):
    """Reads pictures. `read` must raise PermanentError for a picture that it can't read, and must be safe to call
    from one thread at a time; boxes are in the picture's own pixels."""

    name: str
    provider: str

    def read(self, picture: Picture) -> Reading: ...


@functools.lru_cache(maxsize=len(ENGINES))
def engine(name: str) -> OcrEngine:
    """This process's engine of that name. Raises NotConfigured when it can't run here."""
    made = _make(name)
    _log.info("OCR engine ready", engine=made.name, provider=made.provider)
    return made


def default_engine() -> OcrEngine:
    """The engine that the setting OCR_ENGINE names."""
    return engine(settings.OCR_ENGINE)


def _make(name: str) -> OcrEngine:
    if name == "rapidocr":
        from apps.sources.adapters.ocr.rapid import RapidEngine

        return RapidEngine(threads=settings.OCR_THREADS)
    if name == "tesseract":
        from apps.sources.adapters.ocr.tesseract import TesseractEngine

        return TesseractEngine()
    raise NotConfigured(f"OCR_ENGINE is {name!r}; known are {', '.join(ENGINES)}")
