"""OCR in a process of its own: this process's reader, as the settings want it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apps.sources.adapters.ocr.process import Reader


@functools.lru_cache(maxsize=1)
def reader() -> Reader:
    """The reader that the settings OCR_… describe. Its process starts with the first picture, or with `ready`."""
    # The OCR process imports this package, too, and needs no Django.
    from django.conf import settings

    from apps.sources.adapters.ocr.process import Limits, Reader

    limits = Limits(float(settings.OCR_SECONDS), settings.OCR_MEMORY_MIB)
    return Reader(settings.OCR_ENGINE, settings.OCR_THREADS, limits)
