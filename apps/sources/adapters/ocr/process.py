"""The parent's side of the OCR process: one for this process, reused, killed with all it started when it is overdue."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from apps.sources.adapters.ocr import wire
from apps.sources.adapters.ocr.wire import Ready, Start
from apps.sources.domain.picture import Seen
from tradebot.contracts.errors import NotConfigured, TransientError

_ROOT = Path(__file__).parents[4]
_START_SECONDS = 120.0
# It handles strangers' data and needs none of our secrets. TRADEBOT_STACK: `make down` knows its processes by it.
_PASSED_ON = (
    "PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "TESSDATA_PREFIX", "LD_LIBRARY_PATH", "TRADEBOT_STACK",
    "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES", "CUDA_HOME", "CUDA_PATH",
)  # fmt: skip
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """`seconds` and `memory_mib` that one picture may take."""

    seconds: float
    memory_mib: int


class Reader:
    """Reads pictures in a process of its own, which is started when first needed and again after it was killed."""

    def __init__(self, engine: str, threads: int, limits: Limits) -> None:
        self._start = Start(engine, threads, limits.seconds, limits.memory_mib)
        self._limits = limits
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._ready = Ready()
        self._owner = 0

    @property
    def pid(self) -> int | None:
        """Of the running OCR process; None while there is none."""
        return self._process.pid if self._process else None

    def ready(self) -> Ready:
        """Start the process if none runs. Raises NotConfigured when its engine can't run here, TransientError when it
        does not start."""
        with self._lock:
            self._running()
            return self._ready

    def read(self, pictures: Sequence[bytes]) -> list[Seen]:
        """What became of each picture; one that takes too long or too much is refused and takes no other along.

        Raises NotConfigured and TransientError as `ready` does.
        """
        with self._lock:
            self._running()
            size = self._ready.batch
            groups = [pictures[start : start + size] for start in range(0, len(pictures), size)]
            return [seen for group in groups for seen in self._group(group)]

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _group(self, pictures: Sequence[bytes]) -> list[Seen]:
        try:
            return self._asked(pictures)
        except OSError as error:
            self._end()
            if len(pictures) > 1:
                return [seen for picture in pictures for seen in self._group([picture])]
            return [self._again(pictures[0], error)]

    def _again(self, picture: bytes, error: OSError) -> Seen:
        """A process may have died of something else; one that a picture holds up twice would be held up for ever."""
        late = isinstance(error, TimeoutError)
        _log.warning("the OCR process was replaced", late=late, bytes=len(picture))
        if late:
            return Seen(error=f"takes longer than {self._limits.seconds:g} s to read", seconds=self._limits.seconds)
        try:
            return self._asked([picture])[0]
        except OSError:
            self._end()
            return Seen(error="ends the process that reads it")

    def _asked(self, pictures: Sequence[bytes]) -> list[Seen]:
        line = self._running()
        seconds = self._limits.seconds * len(pictures)
        line.settimeout(seconds)
        wire.send(line, list(pictures))
        seen: list[Seen] = wire.receive(line, list[Seen], seconds)
        return seen

    def _running(self) -> socket.socket:
        if self._owner != os.getpid():
            # Forked: the process and its line are the parent's.
            self._process = self._line = None
        if self._line is None or self._process is None or self._process.poll() is not None:
            self._end()
            self._line = self._begin()
        return self._line

    def _begin(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        command = (sys.executable, "-m", "apps.sources.adapters.ocr.child", str(theirs.fileno()))
        kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603
                command,
                cwd=_ROOT,
                env=kept | {"OMP_THREAD_LIMIT": "1"},
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        self._owner = os.getpid()
        self._ready = self._greeted(ours)
        return ours

    def _greeted(self, line: socket.socket) -> Ready:
        try:
            wire.send(line, self._start)
            ready: Ready = wire.receive(line, Ready, _START_SECONDS)
        except OSError as error:
            line.close()
            self._end()
            raise TransientError(f"the OCR process does not start: {type(error).__name__}") from error
        if ready.error:
            line.close()
            self._end()
            raise NotConfigured(ready.error)
        _log.info("OCR engine ready", engine=ready.engine, provider=ready.provider, batch=ready.batch)
        if ready.note:
            _log.warning("OCR goes on with one engine", reason=ready.note)
        return ready

    def _end(self) -> None:
        process, self._process = self._process, None
        line, self._line = self._line, None
        if line:
            line.close()
        if process is None or self._owner != os.getpid():
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                # Its own session: whatever it started goes with it.
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
