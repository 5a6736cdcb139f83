"""The list of our own programs: what runs in a stack besides its servers."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

PAPER_EXCHANGE = "paper_exchange"


class WorkerGroup(Protocol):
    """What workers.topology says of one group of workers."""

    @property
    def queues(self) -> tuple[str, ...]: ...

    @property
    def concurrency(self) -> int: ...

    @property
    def pool(self) -> str: ...


@dataclass(frozen=True)
class Program:
    """One supervised program. `secret_env` goes to its environment, never to its arguments."""

    name: str
    command: tuple[str, ...]
    secret_env: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = "TERM"
    stop_seconds: int = 20
    # Celery's main process ends its children in order; signalled together with it they would drop their tasks.
    signal_whole_group: bool = True


def our_programs(
    *, web: int, flower: int, paper: int, var: Path, secrets: Mapping[str, str], workers: Mapping[str, WorkerGroup]
) -> list[Program]:
    """Every program of a stack, in the order of their starting. Ports are of 127.0.0.1."""
    return [
        _paper_exchange(paper, var, secrets["PAPER_EXCHANGE_TOKEN"]),
        _web(web),
        *(worker(name, group) for name, group in workers.items()),
        # All four wait most of their lives; a process each would cost three hundred megabytes more.
        Program("streams", _python("manage.py", "streams", "--with", "relay", "beat", "config"), stop_seconds=6),
        _flower(flower, secrets["FLOWER_PASSWORD"]),
    ]


def worker(name: str, group: WorkerGroup) -> Program:
    """One group of workers, named `worker-NAME`; its Celery node is `NAME@host`."""
    options = ("-n", f"{name}@%h", "-Q", ",".join(group.queues), "-c", str(group.concurrency), "-P", group.pool)
    command = _celery("worker", *options, "--without-gossip", "--without-mingle", "-E", "-l", "INFO")
    return Program(f"worker-{name}", command, stop_seconds=30, signal_whole_group=False)


def _paper_exchange(port: int, var: Path, token: str) -> Program:
    command = _python("-m", "apps.exchanges.paper", "--port", str(port), "--ledger", str(var / "paper.sqlite3"))
    return Program(PAPER_EXCHANGE, command, {"PAPER_EXCHANGE_TOKEN": token})


def _web(port: int) -> Program:
    server = str(Path(sys.executable).with_name("granian"))
    options = ("--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--blocking-threads", "4", "--no-ws")
    command = (server, "--interface", "wsgi", *options, "--respawn-failed-workers", "tradebot.wsgi:application")
    return Program("web", command, signal_whole_group=False)


def _flower(port: int, password: str) -> Program:
    # A window: it gives way to the programs that trade.
    command = ("nice", "-n", "10", *_celery("flower", "--address=127.0.0.1", f"--port={port}", "--persistent=False"))
    return Program("flower", command, {"FLOWER_BASIC_AUTH": f"admin:{password}"})


def _celery(*arguments: str) -> tuple[str, ...]:
    return _python("-m", "celery", "-A", "tradebot", *arguments)


def _python(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, *arguments)
