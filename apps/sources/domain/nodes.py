"""Crawler nodes: what a worker says of itself, and when it counts as alive, late or gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

BEAT_SECONDS = 5.0
LATE = timedelta(seconds=15)
GONE = timedelta(seconds=60)


class State(StrEnum):
    """ALIVE: heard within LATE. LATE: silent since, and perhaps dead. GONE: said goodbye, or silent for GONE."""

    ALIVE = "alive"
    LATE = "late"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Node:
    """One crawl worker. `name` is unique among those that run; `started_at` tells one life of it from the next."""

    name: str
    host: str
    queues: tuple[str, ...]
    plugins: tuple[str, ...]
    version: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Heard:
    """A node, and when the registry last heard of it. `ended_at`: when it said goodbye."""

    node: Node
    seen_at: datetime
    ended_at: datetime | None = None

    def state(self, now: datetime) -> State:
        """How it is at `now`."""
        silent = now - self.seen_at
        if self.ended_at is not None or silent > GONE:
            return State.GONE
        return State.LATE if silent > LATE else State.ALIVE


class Registry(Protocol):
    """Where nodes are known. It is a window and no gate: a node crawls on when its registry fails. Every method raises
    TransientError when the registry does not answer, and NotConfigured when it refuses us."""

    def register(self, node: Node) -> None:
        """A node that begins; one of the same name before it is forgotten."""
        ...

    def beat(self, node: Node) -> None:
        """It lives. A registry that has forgotten it registers it again."""
        ...

    def deregister(self, node: Node) -> None:
        """It ends on purpose; a later life of the same name is left alone."""
        ...

    def nodes(self) -> Sequence[Heard]:
        """Every node that is known, by name, those that are late too."""
        ...
