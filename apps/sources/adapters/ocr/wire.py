"""What the OCR process and its parent say to each other: MessagePack, each message after its length."""

from __future__ import annotations

import socket
import struct
import time
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
_LENGTH = struct.Struct(">I")
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Start:
    """What to read with: an engine and its threads; what one picture may take: seconds, and MiB beyond the models."""

    engine: str
    threads: int
    seconds: float
    memory_mib: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The engine runs, on `provider`, and likes `batch` pictures at a time; or `error` says why it can't. `note`: what
    it does without."""

    engine: str = ""
    provider: str = ""
    batch: int = 1
    note: str = ""
    error: str = ""


def send(line: socket.socket, message: Any) -> None:
    """Send one message. Raises OSError; TimeoutError, too, within the socket's own time-out."""
    body = msgspec.msgpack.encode(message)
    line.sendall(_LENGTH.pack(len(body)))
    line.sendall(body)


def receive(line: socket.socket, kind: Any, within: float | None = None) -> Any:
    """The next message, as `kind`. Raises ConnectionResetError when the other side is gone, and TimeoutError after
    `within` seconds."""
    until = None if within is None else time.monotonic() + within
    (length,) = _LENGTH.unpack(_exactly(line, _LENGTH.size, until))
    return msgspec.msgpack.decode(_exactly(line, length, until), type=kind)


def _exactly(line: socket.socket, length: int, until: float | None) -> bytes:
    got = bytearray()
    while len(got) < length:
        line.settimeout(None if until is None else max(0.001, until - time.monotonic()))
        piece = line.recv(min(_PIECE, length - len(got)))
        if not piece:
            raise ConnectionResetError("the other side is gone")
        got += piece
    return bytes(got)
