"""`manage.py streams`: listens to the exchanges of accounts that hold or ordered something."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from workers import companions
from workers.companions import Companion, Ended
from workers.streams.process import MOST_ACCOUNTS, Streams

THREAD_SECONDS = 1.5
WITH: dict[str, Callable[[Ended], Companion]] = {
    "relay": companions.relay,
    "beat": companions.beat,
    "config": companions.config,
}


class Command(BaseCommand):
    requires_system_checks = ()
    """They load every page and address, which this process never shows."""
    help = (
        "Listen to the exchanges: orders, trades and balances of every active account that holds or ordered something, "
        "and the prices of its pairs. Several may run at once; each account belongs to one of them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--accounts", type=int, default=MOST_ACCOUNTS, help="Most accounts of this process; default %(default)s."
        )
        parser.add_argument(
            "--with",
            dest="companions",
            choices=WITH,
            nargs="+",
            default=(),
            help=(
                "What else to run in this process: manage.py relay, celery beat (only one in an installation), "
                "manage.py config --watch."
            ),
        )

    def handle(self, *args: Any, **options: Any) -> None:
        failed = asyncio.run(_run(Streams(options["accounts"]), options["companions"]))
        if failed:
            raise CommandError(f"{', '.join(failed)} ended; see the log above")
        _leave_no_thread_behind()


async def _run(streams: Streams, names: Sequence[str]) -> list[str]:
    """Until a signal comes or a companion ends by itself; the names of those that did."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    others = [WITH[name](partial(loop.call_soon_threadsafe, stop.set)) for name in names]
    for companion in others:
        companion.start()
    await streams.run(stop)
    for companion in others:
        companion.stop()
    return [companion.name for companion in others if companion.failed]


def _leave_no_thread_behind() -> None:
    """A thread that waits for a slow exchange would hold up the end; what it does may be left at any point."""
    deadline = time.monotonic() + THREAD_SECONDS
    others = [thread for thread in threading.enumerate() if thread is not threading.current_thread()]
    for thread in others:
        thread.join(max(deadline - time.monotonic(), 0))
    if any(thread.is_alive() for thread in others):
        os._exit(0)
