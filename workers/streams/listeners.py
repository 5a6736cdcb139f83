"""Sources that tell by themselves: one listener for each over all processes, beside the polls."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections import Counter as Counted
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog
from django.db import Error, InterfaceError, OperationalError
from prometheus_client import Counter, Gauge

from apps.sources import crawl_services as services
from apps.sources import selectors
from apps.sources.adapters.registry import listens, make_crawler, source_names, without_secrets, would_listen
from apps.sources.models import Source
from apps.sources.selectors import SourceView
from tradebot.contracts.errors import NotConfigured, PermanentError, Throttled, TradebotError, TransientError
from tradebot.contracts.messages import CrawlerMessage
from tradebot.contracts.ports import CrawlerPlugin, Deletion
from tradebot.messaging.jsonb import as_jsonb
from workers import publisher
from workers.crawl.intake import Intake, Publish, wait_until
from workers.streams import lease as leases
from workers.streams.backoff import Backoff
from workers.streams.lease import Lease, LeaseLost
from workers.streams.threads import Threads

SCAN_SECONDS = 1.0
STOP_SECONDS = 3.0
HOPELESS_SECONDS = 60.0
"""First pause after an error that asking again does not mend: a revoked token, a setting that is missing."""
LONGEST_SECONDS = 600.0

_KINDS = f"SELECT DISTINCT kind FROM {Source._meta.db_table} WHERE enabled"  # noqa: S608 - our own table's name
_SCAN = f"SELECT name, kind, url, config FROM {Source._meta.db_table} WHERE enabled AND kind = ANY(%(kinds)s)"  # noqa: S608

LISTENING = Gauge("tradebot_listeners", "Sources that are listened to, by kind.", ["kind"], multiprocess_mode="livesum")
RECONNECTS = Counter("tradebot_listener_reconnects_total", "Connections to sources that ended.", ["kind", "source"])
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One source to listen to. Other settings, another connection."""

    name: str
    kind: str
    url: str
    config: str


class Listener:
    """One source's listener: connects, and connects again whenever it is cut off, until it is cancelled."""

    def __init__(self, wanted: Wanted, threads: Threads, publish: Publish) -> None:
        self.wanted = wanted
        self.up = False
        self._threads = threads
        self._publish = publish
        self._backoff = Backoff(first=1.0, most=LONGEST_SECONDS, steady=60.0)
        self._hopeless = Backoff(first=HOPELESS_SECONDS, most=LONGEST_SECONDS, steady=LONGEST_SECONDS)
        self._turn = asyncio.Lock()

    async def run(self) -> None:
        """Until cancelled. Why a connection ended is told on the source's row."""
        try:
            while True:
                await self._once()
        except asyncio.CancelledError:
            # Whatever it was about just now, even the note of an earlier end.
            await self._leave()
            raise

    async def _once(self) -> None:
        """One connection to its end, and the rest after it."""
        began = asyncio.get_running_loop().time()
        try:
            await self._connection()
            error: Exception = TransientError("the source ended the connection")
        except Exception as raised:  # noqa: BLE001 - a plugin is other people's code
            error = raised
        finally:
            self.up = False
        await self._rest(error, asyncio.get_running_loop().time() - began)

    async def _connection(self) -> None:
        source = await self._run(selectors.source, self.wanted.name)
        if source is None:
            raise PermanentError("the source is gone")
        crawler = await self._run(make_crawler, source, source.listen_state or source.state)
        given = _state(crawler)
        emit = _Emit(self, source, crawler, given)
        await self._run(_begin, source.name)
        self.up = True
        log.info("listening", source=source.name)
        await crawler.listen(emit)

    async def _rest(self, error: Exception, lasted: float) -> None:
        seconds = self._pause(error, lasted)
        RECONNECTS.labels(self.wanted.kind, self.wanted.name).inc()
        await self._note(error, seconds)
        await asyncio.sleep(seconds)

    def _pause(self, error: Exception, lasted: float) -> float:
        if isinstance(error, Throttled):
            return max((wait_until(error) - datetime.now(UTC)).total_seconds(), 1.0)
        hopeless = isinstance(error, NotConfigured | PermanentError)
        return (self._hopeless if hopeless else self._backoff).failed(lasted)

    async def _note(self, error: Exception, seconds: float) -> None:
        try:
            await self._run(_end, self.wanted.name, error, seconds)
        except Exception as failure:  # noqa: BLE001 - a note is worth no connection
            log.warning("listener_not_noted", source=self.wanted.name, error=type(failure).__name__)

    async def _leave(self) -> None:
        try:
            await self._run(_end_quietly, self.wanted.name)
        except Error as failure:
            # It may be the reason why nobody listens any more.
            log.info("listener_end_not_noted", source=self.wanted.name, error=type(failure).__name__)

    async def take(self, heard: _Heard) -> None:
        """Publish and store what was heard, one call after the other. A broker or a database that is away is waited
        for: what a source pushes it does not push again."""
        backoff = Backoff(first=0.2, most=5.0)
        async with self._turn:
            while True:
                try:
                    await self._run(_take_in, heard, self._publish)
                except (TransientError, OperationalError, InterfaceError) as error:
                    seconds = backoff.failed(0)
                    log.warning(
                        "heard_not_published", source=self.wanted.name, error=type(error).__name__, again_in=seconds
                    )
                    await asyncio.sleep(seconds)
                else:
                    return

    async def _run(self, work: Any, *arguments: Any) -> Any:
        return await self._threads.run(self.wanted.name, work, *arguments)


@dataclass(frozen=True, slots=True)
class _Heard:
    """`state` is None where the plugin's has not changed."""

    source: SourceView
    crawler: CrawlerPlugin
    messages: Sequence[CrawlerMessage]
    deletions: Sequence[Deletion]
    state: dict[str, Any] | None


@dataclass(slots=True)
class _Emit:
    """What a plugin's `listen` calls. `known`: its state as it was last stored."""

    listener: Listener
    source: SourceView
    crawler: CrawlerPlugin
    known: dict[str, Any]

    async def __call__(self, messages: Sequence[CrawlerMessage], deletions: Sequence[Deletion]) -> None:
        state = _state(self.crawler)
        changed = state if state != self.known else None
        await self.listener.take(_Heard(self.source, self.crawler, list(messages), list(deletions), changed))
        self.known = state


def _state(crawler: CrawlerPlugin) -> dict[str, Any]:
    state: dict[str, Any] = as_jsonb(dict(getattr(crawler, "state", {})))
    return state


def _begin(name: str) -> None:
    services.begin_listening(name=name, now=datetime.now(UTC))


def _end(name: str, error: Exception, seconds: float) -> None:
    source = selectors.source(name)
    if source is None:
        return
    ours = isinstance(error, TradebotError)
    reason = without_secrets(source, str(error) if ours else f"{type(error).__name__}: {error}")
    trace = {} if ours else {"trace": without_secrets(source, "".join(traceback.format_exception(error)))}
    log.warning("listener_lost", source=name, reason=reason, again_in=round(seconds, 1), **trace)
    services.end_listening(name=name, error=reason)


def _end_quietly(name: str) -> None:
    services.end_listening(name=name)


def _take_in(heard: _Heard, publish: Publish) -> None:
    intake = Intake(heard.source, heard.crawler, publish)
    intake.take(heard.messages)
    names = source_names()
    services.note_deletions([each for each in heard.deletions if each.source in names])
    services.heard(name=heard.source.name, state=heard.state, note=intake.note, lag=intake.lag)


# --- the host --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Running:
    listener: Listener
    task: asyncio.Task[None]


@dataclass(slots=True)
class Listeners:
    """This process's listeners. They have an event loop and a thread of their own: a plugin that holds it up holds up
    no account's stream."""

    publish: Publish = publisher.publish
    _running: dict[str, _Running] = field(default_factory=dict)
    _kinds: set[str] = field(default_factory=set)
    _ready: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Returns when the thread has begun."""
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="listeners", daemon=True)
        self._thread.start()
        self._ready.wait(STOP_SECONDS)

    def stop(self) -> None:
        """Returns when all have ended, or after STOP_SECONDS."""
        if self._loop and self._task and self._loop.is_running():
            self._loop.call_soon_threadsafe(self._task.cancel)
        if self._thread:
            self._thread.join(STOP_SECONDS)

    def facts(self) -> dict[str, int]:
        """What operators see: how many sources are listened to, and how many of them are connected."""
        all_of_them = [one.listener for one in list(self._running.values())]
        return {"listeners": len(all_of_them), "listeners_connected": sum(one.up for one in all_of_them)}

    async def _main(self) -> None:
        self._loop, threads = asyncio.get_running_loop(), Threads()
        self._task = asyncio.create_task(self._serving(threads))
        self._ready.set()
        try:
            await self._task
        except asyncio.CancelledError:
            log.info("listeners_stopped")
        finally:
            threads.close()

    async def _serving(self, threads: Threads) -> None:
        backoff = Backoff(most=5.0)
        while True:
            began = asyncio.get_running_loop().time()
            try:
                async with leases.opened() as lease:
                    await self._serve(lease, threads)
            except Exception as error:  # noqa: BLE001 - what goes wrong here ends nothing else
                seconds = backoff.failed(asyncio.get_running_loop().time() - began)
                kind = str(error) if isinstance(error, LeaseLost) else type(error).__name__
                log.warning("listeners_without_database", error=kind, again_in=round(seconds, 1))
                await asyncio.sleep(seconds)

    async def _serve(self, lease: Lease, threads: Threads) -> None:
        try:
            while True:
                await self._adjust(lease, await _wanted(lease, threads), threads)
                await asyncio.sleep(SCAN_SECONDS)
        finally:
            # Without the lease nobody here may listen: somebody else may have it already.
            await self._stop(list(self._running))

    async def _adjust(self, lease: Lease, wanted: Iterable[Wanted], threads: Threads) -> None:
        now = {f"source {each.name}": each for each in wanted}
        over = [key for key, one in self._running.items() if now.get(key) != one.listener.wanted or one.task.done()]
        await self._stop(over)
        await lease.give_back(lease.held - self._running.keys())
        for key in await lease.take([key for key in now if key not in self._running]):
            listener = Listener(now[key], threads, self.publish)
            self._running[key] = _Running(listener, asyncio.create_task(listener.run(), name=key))
        self._measure()

    def _measure(self) -> None:
        up = Counted(one.listener.wanted.kind for one in self._running.values() if one.listener.up)
        self._kinds |= up.keys()
        for kind in self._kinds:
            LISTENING.labels(kind).set(up[kind])

    async def _stop(self, keys: Sequence[str]) -> None:
        ended = [self._running.pop(key) for key in keys]
        for one in ended:
            one.task.cancel()
        if ended:
            await asyncio.wait([one.task for one in ended], timeout=STOP_SECONDS)


async def _wanted(lease: Lease, threads: Threads) -> list[Wanted]:
    kinds = await threads.run("", _listening, [kind for (kind,) in await lease.fetch(_KINDS, [])])
    rows = await lease.fetch(_SCAN, {"kinds": kinds}) if kinds else []
    return [Wanted(name, kind, url, repr(config)) for name, kind, url, config in rows if would_listen(kind, config)]


def _listening(kinds: Sequence[str]) -> list[str]:
    return [kind for kind in kinds if listens(kind)]
