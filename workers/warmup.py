"""What a worker loads before its first message, so that no post waits for a model or a library."""

from __future__ import annotations

import gc
from typing import Any

import structlog
from celery.signals import celeryd_after_setup, worker_process_init, worker_process_shutdown, worker_shutdown

from tradebot.celery import app

_FORKING = "celery.concurrency.prefork"

log = structlog.get_logger(__name__)


@celeryd_after_setup.connect
def before_fork(instance: Any, **_: Any) -> None:
    """In the parent: slow imports, shared by all children. No model is made here: its threads would not survive."""
    if "ocr" in _queues() and instance.pool_cls.__module__ != _FORKING:
        _start_reading()
    if "execute" in _queues():
        from apps.exchanges import adapters

        adapters.warm_up()
    if "clean" in _queues():
        from apps.sources.domain import language

        language.warm_up()
    if "features" in _queues():
        import onnxruntime  # noqa: F401
        import tokenizers  # noqa: F401
    gc.collect()
    # Pages that the collector never touches again stay shared between parent and children.
    gc.freeze()


@worker_process_init.connect
def in_child(**_: Any) -> None:
    """In each child: the models its queues need."""
    queues = _queues()
    if "features" in queues:
        from apps.signals.adapters import e5
        from apps.signals.adapters.embedder import embedder

        embedder().embed(["warm"])
        e5.warm_up()
    if "analyze" in queues:
        from workers.analyze import get_panel

        get_panel()
    if "ocr" in queues:
        _start_reading()
    log.info("worker.warm", queues=sorted(queues))


@worker_process_shutdown.connect
@worker_shutdown.connect
def at_the_end(**_: Any) -> None:
    """In each child, and in a worker without children: what it started of its own."""
    if "browser" in _queues():
        from apps.sources.adapters.pages.browser import close_browser

        close_browser()
    if "ocr" in _queues():
        from apps.sources.adapters import ocr

        ocr.reader().close()


def _start_reading() -> None:
    from apps.sources.adapters import ocr

    ocr.reader().ready()


def _queues() -> set[str]:
    return set(app.amqp.queues.consume_from)
