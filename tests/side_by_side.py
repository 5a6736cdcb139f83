"""Tests on all processors: who shares one, and what each process has for itself. Loaded before Django's settings are.

Django gives each process a database of its own; here it gets its own part of Valkey. RabbitMQ is shared, so whatever
works with its queues stays in one process.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from xdist.scheduler import LoadScopeScheduling

ONE_BROKER = ("tests/workers/", "tests/e2e/", "tests/chaos/")


class Together(LoadScopeScheduling):  # type: ignore[misc]
    """The tests of a file stay together, for its fixtures' sake; those that work with queues or whole stacks, too."""

    # `--dist loadgroup` would say the same by marks, but pytest 9.2 shows pytest-xdist 3.8 no group.
    def _split_scope(self, nodeid: str) -> str:
        return "one broker" if nodeid.startswith(ONE_BROKER) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together:
    """Asked by pytest-xdist, once and in the process that leads."""
    return Together(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest group first, or one processor would wait for it at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(ONE_BROKER))


def _own_valkey(worker: str) -> None:
    if "REDIS_URL" in os.environ:
        parts = urlsplit(os.environ["REDIS_URL"])
        os.environ["REDIS_URL"] = urlunsplit(parts._replace(path=f"/{worker.removeprefix('gw')}"))


_own_valkey(os.environ.get("PYTEST_XDIST_WORKER", "gw0"))
