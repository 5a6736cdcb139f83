"""Django and REST beside the event loop: a few threads, of which one slow venue can take only some."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import connections

THREADS = 6
PER_VENUE = 3

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """Runs blocking functions. Each thread keeps its database connection; a broken one is dropped before the next."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="streams")
        self._places: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(PER_VENUE))

    async def run(self, venue: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `work` returns or raises. It waits for its turn among the PER_VENUE of its venue. A thread can't be
        interrupted: when this is cancelled, `work` goes on to its end."""
        async with self._places[venue]:
            job = partial(_with_connection, partial(work, *args, **kwargs))
            return await asyncio.get_running_loop().run_in_executor(self._pool, job)

    def close(self) -> None:
        """Takes nothing more; does not wait for what runs."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _with_connection(work: Callable[[], T]) -> T:
    try:
        return work()
    finally:
        for connection in connections.all(initialized_only=True):
            connection.close_if_unusable_or_obsolete()
