"""The watcher where it really runs, and `manage.py config` beside it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.sources.models import Source
from tests.stack import CHECKOUT
from tests.workers.config.conftest import KillableEtcd, Watch, database_url, enabled, feeds, until

LIVE_SECONDS = 15.0
"""Two are asked for, and a third of one was measured; a busy machine decides no test."""

Process = subprocess.Popen[bytes]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "crawler.toml"
    path.write_text(feeds("one"))
    return path


@pytest.fixture
def manage(transactional_db: None, broker: Any, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def start(address: str, *arguments: str) -> Process:
        environment = {"DATABASE_URL": database_url(), "CRAWLER_CONFIG": address, "VAR_DIR": str(tmp_path / "var")}
        with (tmp_path / "process.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "manage.py", *arguments],
                cwd=CHECKOUT,
                env=os.environ | environment,
                stdout=log,
                stderr=log,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait(10)


def said(*arguments: str) -> str:
    out = io.StringIO()
    call_command("config", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("arguments", [("streams", "--with", "config"), ("config", "--watch")])
def test_a_change_is_live_in_two_seconds_in_a_process_of_its_own(
    manage: Callable[..., Process], file: Path, broker: Any, arguments: tuple[str, ...]
) -> None:
    process = manage(f"file:{file}", *arguments)
    until(lambda: enabled() == {"one"}, 60)
    until(lambda: broker.take("housekeeping"), 5)
    file.write_text(feeds("two"))
    assert until(lambda: enabled() == {"two"}) < LIVE_SECONDS
    asked = until(lambda: broker.take("housekeeping"), LIVE_SECONDS)
    assert asked < LIVE_SECONDS
    process.terminate()
    began = time.monotonic()
    assert process.wait(10) == 0
    assert time.monotonic() - began < 10


def test_a_process_that_watches_etcd_ends_in_time(manage: Callable[..., Process], etcd: KillableEtcd) -> None:
    etcd.put(feeds("one"))
    process = manage(etcd.address, "streams", "--with", "config")
    until(lambda: enabled() == {"one"}, 60)
    process.terminate()
    assert process.wait(10) == 0


def test_another_process_takes_over_from_one_that_is_killed(manage: Callable[..., Process], file: Path) -> None:
    first = manage(f"file:{file}", "config", "--watch")
    until(lambda: enabled() == {"one"}, 60)
    manage(f"file:{file}", "config", "--watch")
    first.kill()
    file.write_text(feeds("two"))
    until(lambda: enabled() == {"two"}, 60)


# --- the command -----------------------------------------------------------------------------------------------------


def test_check_says_what_a_file_would_do(file: Path, db: None) -> None:
    file.write_text(feeds("one", "two").replace("interval", "enabled = false\ninterval"))
    assert said("--check", str(file)).splitlines() == [
        "off rss        every   3600 s  one",
        "off rss        every   3600 s  two",
        "0 of 2 sources on",
    ]
    assert not Source.objects.exists()


def test_check_tells_every_error(file: Path) -> None:
    file.write_text("[rss]\ninterval = 0\nfeeds = 7\n")
    with pytest.raises(CommandError) as caught:
        said("--check", str(file))
    assert str(caught.value).splitlines() == [
        "rss.interval: must be whole seconds from 1 to 604800 (line 2)",
        "rss.feeds: must be a list (line 3)",
    ]


def test_check_without_a_file_reads_what_stands_there_now(settings: Any, file: Path) -> None:
    settings.CRAWLER_CONFIG = f"file:{file}"
    assert "1 of 1 sources on" in said("--check")
    settings.CRAWLER_CONFIG = "nonsense"
    with pytest.raises(CommandError, match="CRAWLER_CONFIG: must be file:PATH"):
        said("--check")


def test_show_tells_what_is_in_force(file: Path, watch: Watch) -> None:
    assert "nothing was applied yet" in said()
    watch(f"file:{file}")
    until(lambda: enabled() == {"one"})
    file.write_text("[rss\n")
    until(lambda: "refused" in said("--show"))
    shown = said("--show")
    assert f"source      file:{file}" in shown
    assert "on  rss        every   3600 s  one" in shown
