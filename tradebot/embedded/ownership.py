"""Which processes belong to a stack, and how to end them when the supervisor no longer can."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# Every process of a stack inherits this variable; its value is the stack's var/.
MARK = "TRADEBOT_STACK"
_PR_SET_PDEATHSIG = 1
_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process that can't be mistaken for a later one of the same number."""

    pid: int
    started: str
    command: str


def owned(var: Path, database: Path) -> list[Process]:
    """The living processes of the stack with this var/ and database folder, never the caller or its ancestors.

    They are known by the mark in their environment. PostgreSQL writes its titles over that, but works in its data
    folder, which no one else does.
    """
    spared = _ancestors(os.getpid())
    found = (identify(pid) for pid in _pids() if pid not in spared and _belongs(pid, var, database))
    return [process for process in found if process is not None]


def family(pid: int, processes: list[Process]) -> list[Process]:
    """Those of the processes that are `pid` or descend from it."""
    return [process for process in processes if pid in _ancestors(process.pid)]


def end(processes: list[Process], patience: float = 10) -> None:
    """TERM, then KILL after `patience` seconds, to those that are still the ones they were."""
    _send(processes, signal.SIGTERM)
    await_end(processes, patience)
    _send(processes, signal.SIGKILL)
    await_end(processes, patience)


def is_alive(process: Process) -> bool:
    """Whether the very same process still runs; a zombie does not."""
    return _started(process.pid) == process.started


def die_with(parent: int) -> Callable[[], None]:
    """Has the kernel send TERM to the process that calls the result when `parent`, its starter, dies (prctl(2)).

    A `preexec_fn`, or for a forked child to call itself.
    """
    # Loaded before the fork: between fork and exec a lock of the loader may be held by nobody.
    libc = ctypes.CDLL(None)

    def arrange() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return arrange


def _pids() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]


def _belongs(pid: int, var: Path, database: Path) -> bool:
    try:
        environment = (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
        folder = str((_PROC / str(pid) / "cwd").readlink()).removesuffix(" (deleted)")
    except OSError:
        return False
    return f"{MARK}={var}".encode() in environment or folder == str(database / "data")


def identify(pid: int) -> Process | None:
    """The process that has this number now; None when none has."""
    started = _started(pid)
    if started is None:
        return None
    with contextlib.suppress(OSError):
        command = (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        return Process(pid, started, command)
    return None


def _started(pid: int) -> str | None:
    fields = _stat(pid)
    return None if fields is None or fields[0] == "Z" else fields[19]


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on (proc_pid_stat(5)); the name before them may hold anything."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _ancestors(pid: int) -> set[int]:
    line = set()
    while pid > 0 and (fields := _stat(pid)) is not None:
        line.add(pid)
        pid = int(fields[1])
    return line


def _send(processes: list[Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(process.pid)
            try:
                if is_alive(process):
                    signal.pidfd_send_signal(handle, number)
            finally:
                os.close(handle)


def await_end(processes: list[Process], patience: float) -> None:
    """Returns when all have ended, or after `patience` seconds."""
    deadline = time.monotonic() + patience
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(process.pid)
            try:
                if is_alive(process):
                    select.select([handle], [], [], max(0.0, deadline - time.monotonic()))
            finally:
                os.close(handle)
