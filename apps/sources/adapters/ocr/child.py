"""The OCR process: reads the pictures that its parent sends, within its memory, and ends when its parent is gone."""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from apps.sources.adapters.images import Picture, decode
from apps.sources.adapters.ocr import wire
from apps.sources.adapters.ocr.engine import OcrEngine, made
from apps.sources.adapters.ocr.wire import Ready, Start
from apps.sources.domain.picture import Reading, Seen
from tradebot.contracts.errors import PermanentError, TradebotError

_GRACE = 5.0
"""Seconds beyond a picture's time."""
TOO_MUCH = "needs more memory than OCR_MEMORY_MIB allows"


def main() -> None:
    """Serve the socket whose number is the first argument."""
    line = socket.socket(fileno=int(sys.argv[1]))
    # Whatever a library prints belongs into the log.
    os.dup2(2, 1)
    try:
        serve(line)
    except (BrokenPipeError, ConnectionResetError):
        sys.exit(0)


def serve(line: socket.socket) -> None:
    """Make the engine, say so, then answer each list of pictures with what became of them."""
    start = wire.receive(line, Start)
    try:
        engine = made(start.engine, start.threads)
    except TradebotError as error:
        wire.send(line, Ready(error=str(error)))
        return
    # What is only made with the first picture (CUDA's libraries, above all) is no picture's own.
    engine.read([Picture(np.full((32, 32, 3), 255, np.uint8), "")])
    _limit(start.memory_mib)
    wire.send(line, Ready(engine.name, engine.provider, engine.batch, engine.note))
    while True:
        pictures = wire.receive(line, list[bytes])
        # The parent kills what is overdue; without a parent, the alarm does.
        signal.setitimer(signal.ITIMER_REAL, start.seconds * len(pictures) + _GRACE)
        wire.send(line, read(engine, pictures))
        signal.setitimer(signal.ITIMER_REAL, 0)


def read(engine: OcrEngine, pictures: Sequence[bytes]) -> list[Seen]:
    """What became of each picture."""
    started = time.perf_counter()
    decoded = [_decoded(data) for data in pictures]
    sound = [each for each in decoded if isinstance(each, Picture)]
    readings = iter(_readings(engine, sound))
    taken = (time.perf_counter() - started) / len(pictures)
    return [_seen(each, next(readings), taken) if isinstance(each, Picture) else Seen(error=each) for each in decoded]


def _decoded(data: bytes) -> Picture | str:
    try:
        return decode(data)
    except PermanentError as error:
        return str(error)
    except MemoryError:
        return TOO_MUCH


def _readings(engine: OcrEngine, pictures: Sequence[Picture]) -> list[Reading | str]:
    try:
        return list(engine.read(pictures)) if pictures else []
    except Exception as error:  # noqa: BLE001 - each library has its own way to say that it has no memory left
        if len(pictures) > 1:
            return [each for picture in pictures for each in _readings(engine, [picture])]
        return [_reason(error)]


def _reason(error: Exception) -> str:
    if isinstance(error, PermanentError):
        return str(error)
    told = str(error).lower()
    short = isinstance(error, MemoryError) or any(word in told for word in ("bad_alloc", "memory", "allocate"))
    return TOO_MUCH if short else f"could not be read ({type(error).__name__})"


def _seen(picture: Picture, reading: Reading | str, seconds: float) -> Seen:
    text, error = (Reading(), reading) if isinstance(reading, str) else (reading, "")
    return Seen(picture.content_type, picture.width, picture.height, text, error, seconds)


def _limit(memory_mib: int) -> None:
    """From now on, this much more than there is: what a limit on all of it would mean depends on the machine."""
    status = Path("/proc/self/status").read_text()
    (data,) = [int(row.split()[1]) * 1024 for row in status.splitlines() if row.startswith("VmData:")]
    most = data + memory_mib * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


if __name__ == "__main__":
    main()
