"""One websocket connection: what it listens to, what it is sent, and what faults do to that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Self

import msgspec
from aiohttp import WSMsgType, web

from apps.exchanges.paper.binance.events import Diff
from apps.exchanges.paper.faults import Faults, Kind
from apps.exchanges.paper.ledger import Account

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_LONGEST_QUEUE = 100_000
_REPEATS = 2


class Connection:
    """`streams`: market streams by name; `diffs`: what those of whole books told last; `accounts`: user-data
    subscriptions by id; `keys`: their API keys."""

    def __init__(
        self, socket: web.WebSocketResponse, faults: Faults, now: Callable[[], int], *, combined: bool
    ) -> None:
        self.streams: set[str] = set()
        self.accounts: dict[int, Account] = {}
        self.diffs: dict[str, Diff] = {}
        self._socket = socket
        self._faults = faults
        self._now = now
        self._combined = combined
        self._late: list[bytes] = []
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(_LONGEST_QUEUE)

    @property
    def keys(self) -> set[str]:
        return {account.api_key for account in self.accounts.values()}

    def unsubscribe(self, names: Iterable[str]) -> None:
        """Stop these streams; a book that is subscribed to again begins anew."""
        for name in names:
            self.streams.discard(name)
            self.diffs.pop(name, None)

    async def run(self, answer: Callable[[Self, dict[str, Any]], None]) -> None:
        """Answer messages and send what is told until either side ends it."""
        sending = asyncio.create_task(self._send_all())
        reading = asyncio.create_task(self._read_all(answer))
        try:
            await asyncio.wait({sending, reading}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sending.cancel()
            reading.cancel()
            await self._socket.close()

    def send(self, message: Any) -> None:
        """An answer: faults do not touch it."""
        self._put(_encode(message))

    def tell(self, name: str, event: Any, account: str = "") -> None:
        """An event of a stream, through the faults."""
        combined = self._combined and not account
        told = _encode({"stream": name, "data": event} if combined else event)
        rule = self._faults.on_event(name, account, told.decode(), self._now())
        if rule is None or rule.kind is Kind.STREAM_REPEAT:
            for _ in range(_REPEATS if rule else 1):
                self._put(told)
            self._put_late()
        elif rule.kind is Kind.STREAM_SWAP:
            self._late.append(told)
        elif rule.kind is Kind.STREAM_DROP:
            self.cut()

    def cut(self) -> None:
        """End the connection without a word; what was not sent is lost."""
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(None)

    def _put_late(self) -> None:
        late, self._late = self._late, []
        for told in late:
            self._put(told)

    def _put(self, told: bytes) -> None:
        """A reader too slow for its queue is cut off."""
        if self._queue.full():
            self.cut()
        else:
            self._queue.put_nowait(told)

    async def _send_all(self) -> None:
        while (told := await self._queue.get()) is not None:
            await self._socket.send_frame(told, WSMsgType.TEXT)
        self._abort()

    def _abort(self) -> None:
        writer = self._socket._writer  # aiohttp offers no way to break a connection off unclosed
        if writer is not None and writer.transport is not None:
            writer.transport.abort()

    async def _read_all(self, answer: Callable[[Self, dict[str, Any]], None]) -> None:
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                continue
            try:
                read = _decode(message.data)
            except msgspec.DecodeError:
                read = None
            if isinstance(read, dict):
                answer(self, read)
            else:
                self.send({"code": 3, "msg": "Invalid JSON: expected an object", "id": None})
