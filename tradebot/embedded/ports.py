"""Ports on loopback: chosen once, kept in var/ports.json, chosen anew only when something else took them."""

from __future__ import annotations

import json
import random
import socket
from pathlib import Path

from tradebot.embedded.layout import write_private

# Below the range from which Linux takes ports for outgoing connections, so that none of those steals a kept one.
_RANGE = range(20000, 32000)
_TRIES = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(taken: set[int] | None = None) -> int:
    """A free port of 127.0.0.1 outside `taken`."""
    for port in random.sample(_RANGE, _TRIES):
        if port not in (taken or set()) and is_free(port):
            return port
    raise OSError(f"no free port of 127.0.0.1 between {_RANGE.start} and {_RANGE.stop}")


def next_free(first: int) -> int:
    """`first`, or the next free port above it."""
    return next(port for port in range(first, 65536) if is_free(port))


def claim(first: int) -> socket.socket:
    """`first` or the next free port above it, bound to a socket that never listens: while that is open, nobody else
    finds the port free. The web server binds beside it (SO_REUSEPORT), which it otherwise also would beside another
    stack's web server, unnoticed by both."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    holder.bind(("127.0.0.1", next_free(first)))
    return holder


def choose(path: Path, names: list[str]) -> dict[str, int]:
    """A port for each name: the kept one while it is free, else a new one, which is kept from then on."""
    kept: dict[str, int] = json.loads(path.read_text()) if path.is_file() else {}
    for name in names:
        if name not in kept or not is_free(kept[name]):
            kept[name] = free_port(set(kept.values()))
    write_private(path, json.dumps(kept, indent=2) + "\n")
    return {name: kept[name] for name in names}
