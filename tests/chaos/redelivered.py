"""How many messages came twice, read off the wire: the redelivered bit of each basic.deliver (AMQP 0-9-1, 1.8.3.9)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_HEADER = struct.Struct(">BHL")
_METHOD = struct.Struct(">HH")
_DELIVER = (60, 60)
_METHOD_FRAME = 1
_END = 1
OF_PIPELINE = frozenset(
    {"crawler_data", "ocr_results", "analysis_signals", "trade_commands", "pipeline", "to_queue", "later"}
)


@dataclass(slots=True)
class Deliveries:
    """Messages of the pipeline that the broker handed to workers, and how many of them not for the first time."""

    messages: int = 0
    again: int = 0

    def __sub__(self, before: Deliveries) -> Deliveries:
        return Deliveries(self.messages - before.messages, self.again - before.again)

    def note(self, payload: bytes) -> None:
        """Count one basic.deliver; events for Flower and answers to callers are none of the pipeline's."""
        place = 4 + 1 + payload[4] + 8
        again = bool(payload[place] & 1)
        length = payload[place + 1]
        exchange = payload[place + 2 : place + 2 + length].decode("utf-8", "replace")
        if exchange in OF_PIPELINE:
            self.messages += 1
            self.again += again


class Frames:
    """Cuts the broker's half of one connection into frames."""

    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        """The next bytes as they came."""
        data, place = self._rest + chunk, 0
        while len(data) - place >= _HEADER.size:
            kind, _, size = _HEADER.unpack_from(data, place)
            end = place + _HEADER.size + size + _END
            if end > len(data):
                break
            payload = data[place + _HEADER.size : end - _END]
            if kind == _METHOD_FRAME and _METHOD.unpack_from(payload) == _DELIVER:
                self._deliveries.note(payload)
            place = end
        self._rest = data[place:]
