"""Kills a worker's child process while posts go through it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from tests.stack import RunningStack


@contextmanager
def kill_one_worker_child(stack: RunningStack, group: str) -> Iterator[None]:
    """As soon as a child of the worker group uses the CPU, kill -9 it once."""
    killed = threading.Event()
    stopping = threading.Event()
    thread = threading.Thread(target=_hunt, args=(stack, group, killed, stopping))
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
    assert killed.is_set(), f"no child of {group} was killed: the test proved nothing"


def _hunt(stack: RunningStack, group: str, killed: threading.Event, stopping: threading.Event) -> None:
    known: dict[int, psutil.Process] = {}
    while not stopping.wait(0.05):
        # Looked up each time: a worker that has just recycled its child has none for a moment.
        known = {child.pid: known.get(child.pid, child) for child in _children(stack, group)}
        if busy := [child for child in known.values() if _use(child) > 30]:
            busy[0].kill()
            killed.set()
            return


def _use(child: psutil.Process) -> float:
    """Percent of a processor since the last call; 0 for one that has just ended."""
    try:
        return child.cpu_percent()
    except psutil.NoSuchProcess:
        return 0.0


def _children(stack: RunningStack, group: str) -> list[psutil.Process]:
    mark = f"TRADEBOT_STACK={stack.layout.var}"
    for process in psutil.process_iter(["cmdline"]):
        if f"{group}@%h" in (process.info["cmdline"] or []) and mark in _environment(process):
            return process.children()
    raise AssertionError(f"no worker {group} runs")


def _environment(process: psutil.Process) -> list[str]:
    try:
        return [f"{name}={value}" for name, value in process.environ().items()]
    except psutil.Error:
        return []
