"""Counting repetitions from the broker's own frames."""

from __future__ import annotations

import struct

import pytest

from tests.chaos.redelivered import Deliveries, Frames


def _deliver(exchange: str, *, redelivered: bool) -> bytes:
    tag, name, key = b"consumer", exchange.encode(), b"some.key"
    payload = struct.pack(">HH", 60, 60) + bytes([len(tag)]) + tag + struct.pack(">Q", 7) + bytes([redelivered])
    payload += bytes([len(name)]) + name + bytes([len(key)]) + key
    return struct.pack(">BHL", 1, 1, len(payload)) + payload + b"\xce"


def _body(content: bytes) -> bytes:
    return struct.pack(">BHL", 3, 1, len(content)) + content + b"\xce"


@pytest.mark.parametrize("cut", [1, 3, 7, 64, 4096])
def test_repetitions_are_counted_however_the_bytes_are_cut(cut: int) -> None:
    stream = b"".join(
        [
            _deliver("trade_commands", redelivered=False) + _body(b"\x01" * 50),
            _deliver("trade_commands", redelivered=True) + _body(b"{}"),
            _deliver("celeryev", redelivered=True) + _body(b"{}"),
        ]
    )
    found = Deliveries()
    frames = Frames(found)

    for start in range(0, len(stream), cut):
        frames.feed(stream[start : start + cut])

    assert found == Deliveries(messages=2, again=1)
