"""What waits most of its life, in threads of a process that is there anyway: the outbox relay, beat, the watcher."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog
from celery.beat import Service

from tradebot.celery import app
from workers.config import Watcher
from workers.relay import Relay

log = structlog.get_logger(__name__)

Ended = Callable[[], object]


class Companion(threading.Thread):
    """Runs `work` until told to stop. When it ends by itself, `failed` is set and `ended` called: it must not be
    missing unnoticed."""

    def __init__(self, name: str, work: Callable[[], None], stop: Callable[[], None], ended: Ended) -> None:
        super().__init__(name=name, daemon=True)
        self.failed = False
        self._work, self._halt, self._ended = work, stop, ended
        self._told = False

    def run(self) -> None:
        try:
            self._work()
        except Exception:
            log.exception("companion_broke", companion=self.name)
        if not self._told:
            self.failed = True
            self._ended()

    def stop(self) -> None:
        """Let it end after what it is doing; returns at once."""
        self._told = True
        self._halt()


def relay(ended: Ended) -> Companion:
    """`manage.py relay`, in a thread."""
    work = Relay()

    def stop() -> None:
        work.stopping = True

    return Companion("relay", work.run, stop, ended)


def beat(ended: Ended) -> Companion:
    """`celery beat`, in a thread: there must be one and only one in a whole installation."""
    service = Service(app, scheduler_cls=app.conf.beat_scheduler)
    return Companion("beat", service.start, service.stop, ended)


def config(ended: Ended) -> Companion:
    """`manage.py config --watch`, in a thread."""
    watcher = Watcher()
    return Companion("config", watcher.run, watcher.stop, ended)
