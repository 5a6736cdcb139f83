"""Two real crawl workers share a source; the one that fetches it is killed, and the other takes it over."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.utils import timezone

from apps.sources import node_selectors as selectors
from apps.sources.domain.nodes import State
from apps.sources.models import Source
from tests.outside.consul.server import Serving, serving
from tests.stack import CHECKOUT
from tests.workers.config.conftest import database_url, until
from tests.workers.nodes.slow_source import SlowSource, install, slow_source
from tradebot.celery import app
from tradebot.embedded.programs import worker
from workers.topology import SCHEDULES, WORKERS

TAKEN_OVER_SECONDS = 30.0

Node = subprocess.Popen[bytes]


@pytest.fixture
def source() -> Iterator[SlowSource]:
    with slow_source() as found:
        yield found


@pytest.fixture
def start(transactional_db: None, broker: Any, tmp_path: Path) -> Iterator[Callable[..., Node]]:
    install(tmp_path)
    started: list[Node] = []

    def one(name: str, **settings: str) -> Node:
        with (tmp_path / f"{name}.log").open("wb") as log:
            node = subprocess.Popen(
                worker(name, WORKERS["crawl"]).command,
                cwd=CHECKOUT,
                env=os.environ | {"DATABASE_URL": database_url(), "PYTHONPATH": str(tmp_path), **settings},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        started.append(node)
        return node

    yield one
    for node in started:
        kill(node)


@pytest.fixture
def ticking(start: Any) -> Iterator[None]:
    """As beat does: what is due is asked about every five seconds."""
    task, seconds = SCHEDULES["crawl what is due"]
    ended = threading.Event()

    def tick() -> None:
        app.send_task(task, expires=seconds)
        while not ended.wait(seconds):
            app.send_task(task, expires=seconds)

    thread = threading.Thread(target=tick)
    thread.start()
    yield
    ended.set()
    thread.join()


def kill(node: Node) -> None:
    """kill -9, to the last of its processes."""
    if node.poll() is None:
        os.killpg(node.pid, signal.SIGKILL)
        node.wait(10)


def states() -> dict[str, State]:
    """By the node's name without its host."""
    now = timezone.now()
    return {heard.node.name.partition("@")[0]: heard.state(now) for heard in selectors.nodes()}


def holder() -> str:
    return next((name.partition("@")[0] for name in selectors.held()), "")


def owner(pid: int, nodes: dict[str, Node]) -> str:
    """The node that a process belongs to."""
    family = {pid, *(parent.pid for parent in psutil.Process(pid).parents())}
    return next(name for name, node in nodes.items() if node.pid in family)


def test_a_dead_nodes_source_is_taken_over_and_never_fetched_twice_at_once(
    start: Callable[..., Node],
    source: SlowSource,
    request: pytest.FixtureRequest,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    nodes = {name: start(name) for name in ("north", "south")}
    until(lambda: states() == {"north": State.ALIVE, "south": State.ALIVE}, 60)
    assert all("slow" in heard.node.plugins and "crawl" in heard.node.queues for heard in selectors.nodes())
    Source.objects.create(name="slow one", kind="slow", url=source.url, interval_seconds=3600)
    request.getfixturevalue("ticking")

    until(lambda: source.fetches, 30)
    first = owner(source.fetches[0].pid, nodes)
    other = next(name for name in nodes if name != first)
    assert list(selectors.held().values()) == [["slow one"]]
    assert holder() == first
    # Due once more, it is left to the one that has it.
    Source.objects.update(next_run_at=timezone.now() - timedelta(minutes=1))
    app.send_task("tradebot.crawl_due", expires=5)
    app.send_task("tradebot.crawl", ("slow one",))

    kill(nodes[first])
    record_testsuite_property("taken_over_seconds", until(lambda: len(source.fetches) == 2, TAKEN_OVER_SECONDS))
    assert owner(source.fetches[1].pid, nodes) == other
    assert holder() == other

    source.release()
    until(lambda: Source.objects.filter(state__fetched_by=source.fetches[1].pid, leased_by="").exists())
    assert source.most_at_once == 1
    until(lambda: states()[first] == State.LATE, 30)
    assert states()[other] == State.ALIVE

    nodes[other].terminate()
    assert nodes[other].wait(30) == 0
    assert states()[other] == State.GONE


def test_a_worker_is_a_service_in_consul_until_it_is_told_to_end(start: Callable[..., Node]) -> None:
    with serving() as consul:
        settings = {"NODE_REGISTRY": consul.address}
        north, south = start("north", **settings), start("south", **settings)
        until(lambda: len(healthy(consul)) == 2, 60)
        assert all("slow" in entry["Service"]["Meta"]["plugins"].split(",") for entry in healthy(consul))
        until(lambda: states() == {"north": State.ALIVE, "south": State.ALIVE})

        north.terminate()
        assert north.wait(30) == 0
        assert [entry["Service"]["Meta"]["name"].partition("@")[0] for entry in healthy(consul)] == ["south"]
        assert states() == {"north": State.GONE, "south": State.ALIVE}

        kill(south)
        consul.agent.advance(16)
        assert healthy(consul) == []


def healthy(consul: Serving) -> list[dict[str, Any]]:
    return consul.agent.health("tradebot-crawler", passing=True)[1]
