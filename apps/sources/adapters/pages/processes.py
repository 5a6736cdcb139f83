"""Processes of one session (setsid), as Linux tells of them in /proc: to recognise, to end, to keep on a leash.

As a program, `processes.py COMMAND…` runs a command in its own session and ends that whole session when its standard
input ends: whoever started it may be killed in any way, and nothing is left behind.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

_PROC = Path("/proc")
_PATIENCE = 5.0


def members(session: int) -> Iterator[int]:
    """Ids of the living processes of a session."""
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and _session_of(entry) == session:
            yield int(entry.name)


def kill_session(session: int) -> None:
    """End every process of a session, whatever process groups they made; the one that calls goes last."""
    until = time.monotonic() + _PATIENCE
    while (alive := [pid for pid in members(session) if pid != os.getpid()]) and time.monotonic() < until:
        for pid in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


class Owners:
    """Which connections are a session's? The process that had the last one is asked first: mostly it has the next."""

    def __init__(self, session: int) -> None:
        self.session = session
        self._last = session

    def own(self, peer: tuple[str, int], port: int) -> bool:
        """Does the other end of a loopback connection, `peer` to our `port`, belong to a process of the session?"""
        inode = _inode(peer, ("127.0.0.1", port))
        return inode is not None and self._somebody_holds(f"socket:[{inode}]")

    def _somebody_holds(self, name: str) -> bool:
        if _session_of(_PROC / str(self._last)) == self.session and _holds(self._last, name):
            return True
        found = next((pid for pid in members(self.session) if _holds(pid, name)), None)
        self._last = found or self._last
        return found is not None


def _session_of(entry: Path) -> int | None:
    try:
        fields = (entry / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[3]) if fields[0] != "Z" else None


def _inode(local: tuple[str, int], remote: tuple[str, int]) -> str | None:
    wanted = [_spelled(local), _spelled(remote)]
    with (_PROC / "net" / "tcp").open() as table:
        for line in table:
            fields = line.split()
            if fields[1:3] == wanted:
                return fields[9]
    return None


def _spelled(end: tuple[str, int]) -> str:
    octets = [int(part) for part in end[0].split(".")]
    return "".join(f"{octet:02X}" for octet in reversed(octets)) + f":{end[1]:04X}"


def _holds(pid: int, name: str) -> bool:
    try:
        return any(_target(handle) == name for handle in (_PROC / str(pid) / "fd").iterdir())
    except OSError:
        return False


def _target(handle: Path) -> str:
    try:
        return str(handle.readlink())
    except OSError:
        return ""


def _leash(command: Sequence[str]) -> None:
    session = os.getsid(0)
    if session != os.getpid():
        sys.exit("start this in a session of its own: it ends everything in it")
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - what our own caller named

    def follow() -> None:
        child.wait()
        kill_session(session)
        os._exit(0)

    threading.Thread(target=follow, daemon=True).start()
    sys.stdin.buffer.read()
    kill_session(session)


if __name__ == "__main__":
    _leash(sys.argv[1:])
