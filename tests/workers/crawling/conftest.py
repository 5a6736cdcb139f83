"""Plugins that are really installed, and processes that find them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from apps.sources.models import Source
from tests.stack import CHECKOUT
from tests.workers.crawling.exchange import TOKEN, Exchange, running
from tests.workers.streams.conftest import _database

PLUGINS = CHECKOUT / "tests" / "plugins"
NO_NETWORK = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet")

Process = subprocess.Popen[bytes]
Start = Callable[..., Process]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which both example packages are installed, as an operator would, without a network."""
    sources, target = tmp_path_factory.mktemp("plugins"), tmp_path_factory.mktemp("installed")
    for package in ("notices", "broken"):
        # Building writes into the package's own folder.
        shutil.copytree(PLUGINS / package, sources / package)
        _install(sources / package, target)
    return target


def _install(package: Path, target: Path) -> None:
    if importlib.util.find_spec("pip"):
        installer = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    else:
        beside = Path(sys.prefix, "uv", "bin")
        uv = shutil.which("uv", path=f"{beside}{os.pathsep}{os.environ['PATH']}")
        assert uv, "neither pip nor uv is here to install a plugin with"
        installer = [uv, "pip", "install", "--python", sys.executable, "--no-cache"]
    done = subprocess.run(
        [*installer, *NO_NETWORK, "--target", str(target), str(package)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with running() as found:
        yield found


@pytest.fixture
def environment(installed: Path, transactional_db: None) -> dict[str, str]:
    """Of a process that finds the plugins and the tests' database."""
    return os.environ | {
        "DATABASE_URL": _database(),
        "PYTHONPATH": str(installed),
        "NOTICES_TOKEN": TOKEN,
        "GUARDED_ALLOW": "",
    }


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Starts a process of ours in a group of its own; what is left is killed at the end, and its log printed."""
    started: list[tuple[Process, Path]] = []

    def one(*command: str) -> Process:
        log = tmp_path / f"process-{len(started)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=CHECKOUT, env=environment, stdout=output, stderr=output, start_new_session=True
            )
        started.append((process, log))
        return process

    yield one
    for process, log in started:
        kill(process)
        sys.stdout.write(log.read_text()[-6000:])


def kill(process: Process) -> None:
    """kill -9, with all its children: nothing of it can do anything more."""
    try:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        family = []
    for one in family:
        one.send_signal(signal.SIGKILL)
    psutil.wait_procs(family, timeout=10)
    process.wait(10)


def watched(exchange: Exchange, name: str = "the notices", **changes: Any) -> Source:
    """A source that was made a day ago, and is not due by itself."""
    fields = {
        "name": name,
        "kind": "notices",
        "url": exchange.url,
        "config": {"api_token": "env:NOTICES_TOKEN"},
        "next_run_at": datetime.now(UTC) + timedelta(days=1),
    }
    row = Source.objects.create(**{**fields, **changes})
    Source.objects.filter(pk=row.pk).update(created_at=datetime.now(UTC) - timedelta(days=1))
    return row
