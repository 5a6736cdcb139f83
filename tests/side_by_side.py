"""Tests on all processors: who shares one, and what each process has for itself. Loaded before Django's settings are.

Django gives each process a database of its own; here it gets its own part of Valkey. RabbitMQ is shared, so whatever
works with its queues stays in one process.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

FOLDER = Path(__file__).parent
ONE_BROKER = ("workers", "e2e", "chaos")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of a file stay together, for its fixtures' sake; those that work with queues or whole stacks, too.

    First of all: pytest-xdist reads the groups in its own turn.
    """
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item.path)))


def _group(path: Path) -> str:
    parts = path.relative_to(FOLDER).parts
    return "one broker" if parts[0] in ONE_BROKER else "/".join(parts)


def _own_valkey(worker: str) -> None:
    if "REDIS_URL" in os.environ:
        parts = urlsplit(os.environ["REDIS_URL"])
        os.environ["REDIS_URL"] = urlunsplit(parts._replace(path=f"/{worker.removeprefix('gw')}"))


_own_valkey(os.environ.get("PYTEST_XDIST_WORKER", "gw0"))
