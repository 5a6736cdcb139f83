"""Crawl workers announce themselves: when they are ready, while their loop turns, and when they end."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import structlog
from celery.signals import heartbeat_sent, worker_ready, worker_shutdown
from django.db import connection
from prometheus_client import Counter

from apps.sources import node_services
from apps.sources.adapters.node_registry import node_registry
from apps.sources.adapters.registry import crawler_names
from apps.sources.domain.nodes import BEAT_SECONDS, Node, Registry
from apps.sources.node_services import DatabaseRegistry
from tradebot.contracts.errors import InvalidField, NotConfigured, TransientError

QUEUES = frozenset({"crawl", "browser"})
PULSE_SECONDS = 10.0
"""A worker whose loop gave no sign of life for so long (Celery's heartbeat comes every 2 s) is not said to live."""
GOODBYE_SECONDS = 4.0

FAILURES = Counter("tradebot_node_beats_failed_total", "Announcements of crawl nodes that their registry did not take.")
log = structlog.get_logger(__name__)


class Announcer(threading.Thread):
    """Registers a node, beats for it, and says goodbye. A registry that fails is told of in the log and tried again:
    nothing waits for it."""

    def __init__(self, node: Node, registry: Callable[[], Registry] = node_registry) -> None:
        super().__init__(name="node announcer", daemon=True)
        self.node = node
        self._make = registry
        self._registry: Registry | None = None
        self._known = False
        self._ending = threading.Event()
        self._pulse: float | None = None
        self._failing = ""

    def pulse(self) -> None:
        """The worker's loop turns."""
        self._pulse = time.monotonic()

    def run(self) -> None:
        while True:
            self._told(self._announce)
            if self._ending.wait(BEAT_SECONDS):
                break
        self._told(self._say_goodbye)

    def stop(self) -> None:
        """Say goodbye; returns when that is done, or after GOODBYE_SECONDS."""
        self._ending.set()
        self.join(GOODBYE_SECONDS)

    def _announce(self) -> None:
        if self._pulse is not None and time.monotonic() - self._pulse > PULSE_SECONDS:
            return
        registry = self._registry = self._registry or self._make()
        if self._known:
            registry.beat(self.node)
        else:
            registry.register(self.node)
            self._known = True
        if not isinstance(registry, DatabaseRegistry):
            node_services.copy(registry.nodes())

    def _say_goodbye(self) -> None:
        if self._registry is None:
            return
        self._registry.deregister(self.node)
        if not isinstance(self._registry, DatabaseRegistry):
            DatabaseRegistry().deregister(self.node)

    def _told(self, step: Callable[[], None]) -> None:
        """Each new reason once: an outage would fill the log."""
        reason = ""
        try:
            step()
        except (TransientError, NotConfigured, InvalidField) as error:
            reason = str(error)
        except Exception as error:
            reason = type(error).__name__
            log.exception("node_announcer_broke")
        finally:
            # A backend of PostgreSQL costs more than one connection every few seconds; and the pool forks.
            connection.close()
        self._note(reason)

    def _note(self, reason: str) -> None:
        if reason:
            FAILURES.inc()
            if reason != self._failing:
                log.warning("node_not_announced", node=self.node.name, reason=reason)
        elif self._failing:
            log.info("node_announced_again", node=self.node.name)
        self._failing = reason


_announcer: Announcer | None = None


def this_node(name: str, queues: Iterable[str]) -> Node:
    """What this worker says of itself."""
    plugins = tuple(sorted(crawler_names()))
    return Node(name, socket.gethostname(), tuple(sorted(queues)), plugins, version("tradebot"), datetime.now(UTC))


def crawls(queues: Iterable[str]) -> bool:
    """Whether a worker that takes these queues fetches sources."""
    return not QUEUES.isdisjoint(queues)


@worker_ready.connect
def _ready(sender: Any, **_: object) -> None:
    """Sent again after every reconnection to the broker."""
    global _announcer  # noqa: PLW0603 - one worker a process
    queues = list(sender.app.amqp.queues.consume_from)
    if _announcer is None and crawls(queues):
        _announcer = Announcer(this_node(sender.hostname, queues))
        _announcer.start()


@heartbeat_sent.connect
def _alive(**_: object) -> None:
    if _announcer is not None:
        _announcer.pulse()


@worker_shutdown.connect
def _ended(**_: object) -> None:
    global _announcer  # noqa: PLW0603
    if _announcer is not None:
        _announcer.stop()
        _announcer = None
