"""A stack ends its own processes, and nobody else's."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tradebot.embedded import ownership
from tradebot.embedded.ownership import Process

PATIENT = "import sys, time; print('here', flush=True); time.sleep(60)"
STUBBORN = "import signal, sys, time; signal.signal(15, signal.SIG_IGN); print('here', flush=True); time.sleep(60)"


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def start(started: list[subprocess.Popen[str]], code: str, *, mark: Path | None, folder: Path) -> int:
    environment = {"PATH": os.environ["PATH"]} | ({ownership.MARK: str(mark)} if mark else {})
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, cwd=folder, stdout=subprocess.PIPE, text=True
    )
    started.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    return process.pid


def test_processes_are_known_by_mark_or_data_folder(started: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    data = tmp_path / "postgres" / "data"
    data.mkdir(parents=True)
    marked = start(started, PATIENT, mark=tmp_path, folder=tmp_path)
    database = start(started, PATIENT, mark=None, folder=data)
    start(started, PATIENT, mark=tmp_path / "other", folder=tmp_path)
    start(started, PATIENT, mark=None, folder=tmp_path)
    found = {process.pid for process in ownership.owned(tmp_path, tmp_path / "postgres")}
    assert found == {marked, database}


def test_a_stubborn_process_is_killed(started: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    start(started, STUBBORN, mark=tmp_path, folder=tmp_path)
    ownership.end(ownership.owned(tmp_path, tmp_path / "postgres"), patience=0.2)
    assert started[0].wait(5) == -9


def test_a_later_process_of_the_same_number_is_left_alone(started: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    pid = start(started, PATIENT, mark=tmp_path, folder=tmp_path)
    ownership.end([Process(pid, "an earlier start time", "something else")], patience=0.2)
    assert started[0].poll() is None


def test_the_caller_is_never_its_own_victim(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from tradebot.embedded import ownership\n"
        "print(ownership.owned(Path(os.environ['TRADEBOT_STACK']), Path('/nowhere')))"
    )
    environment = os.environ | {ownership.MARK: str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_whoever_lost_his_parent_is_no_family(started: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    parent = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    process = subprocess.Popen([sys.executable, "-c", parent, PATIENT], stdout=subprocess.PIPE, text=True)
    started.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    child = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())
    stranger = start(started, PATIENT, mark=tmp_path, folder=tmp_path)
    all_three = [Process(pid, "", "") for pid in (process.pid, child, stranger)]
    assert [each.pid for each in ownership.family(process.pid, all_three)] == [process.pid, child]
    os.kill(child, 9)


def test_a_tied_child_dies_with_its_parent() -> None:
    parent = (
        "import os, subprocess, sys; from tradebot.embedded.ownership import die_with\n"
        "child = subprocess.Popen(['sleep', '60'], preexec_fn=die_with(os.getpid()), stdout=subprocess.DEVNULL)\n"
        "print(child.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", parent], capture_output=True, text=True, check=False)
    child = Process(int(done.stdout), "", "sleep")
    ownership.await_end([child], 5)
    assert not _runs_sleep(child.pid)


def _runs_sleep(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sleep\0")
    except OSError:
        return False
