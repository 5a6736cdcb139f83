"""TCP links of our own between the product and its servers: they can be cut, slowed, half-opened, robbed of answers."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from tests.chaos.redelivered import Deliveries, Frames

Mode = Literal["open", "cut", "slow", "half_open"]
Result = TypeVar("Result")
_CHUNK = 65536
_NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(eq=False)
class _Pair:
    """One client's connection and ours to the server. `robbed`: its next answer is lost, and then it breaks."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    robbed: bool = False

    def abort(self) -> None:
        for writer in (self.client, self.server):
            _reset(writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as a crash does (RST), not as a good-bye does."""
    connection = writer.get_extra_info("socket")
    if connection is not None and not writer.transport.is_closing():
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    writer.transport.abort()


@dataclass
class Link:
    """One listening port in front of one server. Its state is changed inside the event loop only."""

    name: str
    upstream: int
    port: int = 0
    mode: Mode = "open"
    seconds: float = 0.0
    to_rob: int = 0
    robs: bytes = b""
    deliveries: Deliveries = field(default_factory=Deliveries)
    _pairs: set[_Pair] = field(default_factory=set)
    _watched: list[tuple[bytes, threading.Event]] = field(default_factory=list)
    _healed: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]

    def turn(self, mode: Mode, seconds: float) -> None:
        """Behave so for `seconds`. Cut: what stands breaks, what comes is refused. Slow: every chunk waits a tenth of
        `seconds`. Half-open: requests arrive, answers do not, and nobody is told."""
        self.mode, self.seconds = mode, seconds
        self._healed.clear()
        if mode == "cut":
            self._abort_all()
        asyncio.get_running_loop().call_later(seconds, self.heal)

    def heal(self) -> None:
        if self.mode == "half_open":
            self._abort_all()
        self.mode = "open"
        self._healed.set()

    def rob(self, pattern: bytes, times: int) -> None:
        """The next `times` requests that hold `pattern` reach the server, and their answers reach nobody."""
        self.robs, self.to_rob = pattern, times

    def watch(self, pattern: bytes, seen: threading.Event) -> None:
        """Set `seen` when a request that holds `pattern` has been handed to the server."""
        self._watched.append((pattern, seen))

    def _abort_all(self) -> None:
        for pair in list(self._pairs):
            pair.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "cut":
            _reset(writer)
            return
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        except OSError:
            _reset(writer)
            return
        pair = _Pair(writer, up_writer)
        self._pairs.add(pair)
        try:
            await asyncio.gather(self._requests(reader, pair), self._answers(up_reader, pair))
        except OSError:
            """Either side is gone: so is the pair."""
        finally:
            pair.abort()
            self._pairs.discard(pair)

    async def _requests(self, reader: asyncio.StreamReader, pair: _Pair) -> None:
        while chunk := await reader.read(_CHUNK):
            await self._linger()
            if self.to_rob and self.robs in chunk:
                self.to_rob -= 1
                pair.robbed = True
            pair.server.write(chunk)
            await pair.server.drain()
            self._notice(chunk)
        pair.abort()

    async def _answers(self, reader: asyncio.StreamReader, pair: _Pair) -> None:
        frames = Frames(self.deliveries) if self.name == "broker" else None
        while chunk := await reader.read(_CHUNK):
            await self._linger()
            if self.mode == "half_open":
                await self._healed.wait()
                break
            if pair.robbed:
                break
            pair.client.write(chunk)
            await pair.client.drain()
            if frames:
                frames.feed(chunk)
        pair.abort()

    async def _linger(self) -> None:
        if self.mode == "slow":
            await asyncio.sleep(self.seconds / 10)

    def _notice(self, chunk: bytes) -> None:
        for watch in [watch for watch in self._watched if watch[0] in chunk]:
            self._watched.remove(watch)
            watch[1].set()


class Links:
    """All links, in an event loop on a thread of its own; every method may be called from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="links", daemon=True)
        self._thread.start()
        self._links: dict[str, Link] = {}

    def open(self, name: str, upstream: int) -> int:
        """A new link to a port of this machine; returns the port to connect to instead."""
        self._links[name] = self._done(self._open(name, upstream))
        return self._links[name].port

    def turn(self, name: str, mode: Mode, seconds: float) -> None:
        self._do(lambda: self._links[name].turn(mode, seconds))

    def rob(self, name: str, pattern: bytes, times: int) -> None:
        self._do(lambda: self._links[name].rob(pattern, times))

    def seen(self, name: str, pattern: bytes) -> threading.Event:
        """An event that is set when the next request holding `pattern` was handed to the server."""
        event = threading.Event()
        self._do(lambda: self._links[name].watch(pattern, event))
        return event

    def deliveries(self) -> Deliveries:
        """What went over the broker's link until now."""
        return replace(self._links["broker"].deliveries)

    def close(self) -> None:
        """Break every connection and end the thread."""
        self._done(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _open(self, name: str, upstream: int) -> Link:
        link = Link(name, upstream)
        await link.listen()
        return link

    def _do(self, what: Any) -> None:
        async def run() -> None:
            what()

        self._done(run())

    def _done(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)
