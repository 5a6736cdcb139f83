"""The bound: bare Celery, one post a message, seven no-op tasks, on the same broker with as many processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from celery import Celery
from kombu import Exchange, Queue

from workers import topology

HOPS = 7
RESULTS = "bench:bare"
ENVIRONMENT = dict(os.environ)
"""As it was at the start: later it speaks of our stack, and of Django, which a bare Celery must not load."""

app = Celery("bare")
app.conf.update(
    broker_url=os.environ["BROKER_URL"],
    broker_transport_options={"confirm_publish": True},
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_send_task_events=False,
    # Its own: Flower would else tell these workers to send events, and ours would answer the pings for them.
    control_exchange="bare.control",
    event_exchange="bare.events",
    task_create_missing_queues=False,
    broker_connection_retry_on_startup=True,
    task_default_queue="bare.1",
    broker_native_delayed_delivery_queue_type="classic",
    task_queues=[
        Queue(
            f"bare.{hop}",
            exchange=Exchange("bare", type="topic"),
            routing_key=f"hop.{hop}",
            queue_arguments={"x-queue-type": "quorum"},
        )
        for hop in range(1, HOPS + 1)
    ],
)


@app.task(name="bare.hop", bind=True)
def hop(task: Any, post: dict[str, Any], number: int) -> None:
    """Pass the post on; the last hop notes how long it was under way."""
    if number < HOPS:
        send(post, number + 1)
    else:
        _redis().rpush(RESULTS, time.time() - post["at"])


def send(post: dict[str, Any], number: int) -> None:
    """Publish one post to one hop, waiting for its confirm."""
    app.send_task("bare.hop", args=(post, number), exchange="bare", exchange_type="topic", routing_key=f"hop.{number}")


def _redis() -> redis.Redis:
    return redis.Redis.from_url(ENVIRONMENT["REDIS_URL"])


def _groups() -> list[tuple[list[int], int]]:
    """The seven hops dealt out to as many worker services and processes as ours has."""
    sizes = [2 if group.pool == "threads" else group.concurrency for group in topology.WORKERS.values()]
    return [
        ([hop for hop in range(1, HOPS + 1) if (hop - 1) % len(sizes) == index], size)
        for index, size in enumerate(sizes)
    ]


@contextmanager
def workers() -> Iterator[None]:
    """The bare chain's workers, ready to take."""
    running = [_start(hops, size) for hops, size in _groups()]
    try:
        deadline = time.monotonic() + 120
        while len(app.control.ping(timeout=2) or []) < len(running):
            if time.monotonic() > deadline:
                raise TimeoutError("the bare workers did not start")
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(60)


def _start(hops: list[int], size: int) -> subprocess.Popen[bytes]:
    queues = ",".join(f"bare.{hop}" for hop in hops)
    arguments = ["-A", "tests.bench.bare", "worker", "-Q", queues, "-c", str(size), "-n", f"bare{hops[0]}@%h"]
    return subprocess.Popen(
        [sys.executable, "-m", "celery", *arguments, "--without-gossip", "--without-mingle", "-l", "ERROR"],
        env=ENVIRONMENT,
    )


def _collect(count: int, timeout: float) -> list[float]:
    store = _redis()
    deadline = time.monotonic() + timeout
    while store.llen(RESULTS) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{store.llen(RESULTS)} of {count} posts came through the bare chain")
        time.sleep(0.005)
    times = [float(value) for value in store.lrange(RESULTS, 0, -1)]
    store.delete(RESULTS)
    return times


def throughput(count: int, text: str) -> float:
    """Posts per second of a backlog of `count`, from the first publish to the last post through."""
    _redis().delete(RESULTS)
    start = time.monotonic()
    for _ in range(count):
        send({"at": time.time(), "text": text}, 1)
    _collect(count, 600)
    return count / (time.monotonic() - start)


def latencies(count: int, text: str) -> list[float]:
    """Seconds of `count` posts, each sent when the one before was through."""
    _redis().delete(RESULTS)
    found: list[float] = []
    for _ in range(count):
        send({"at": time.time(), "text": text}, 1)
        found += _collect(1, 30)
    return found
