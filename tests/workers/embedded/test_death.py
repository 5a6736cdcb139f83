"""Whatever is killed leaves nothing behind that goes on unnoticed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tradebot.embedded import ownership, ports
from tradebot.embedded.console import Display
from tradebot.embedded.errors import StackError
from tradebot.embedded.layout import CHECKOUT, Layout
from tradebot.embedded.programs import our_programs
from tradebot.embedded.readiness import wait_http
from tradebot.embedded.server import always_alive
from tradebot.embedded.stack import Choice, Stack

PATIENT = "import time; print('here', flush=True); time.sleep(60)"
SECRETS = {"PAPER_EXCHANGE_TOKEN": "token-of-the-paper-exchange", "FLOWER_PASSWORD": "password-of-flower"}


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The web as the stack starts it, and its port."""
    port = ports.free_port()
    programs = our_programs(web=port, flower=1, paper=2, var=tmp_path, secrets=SECRETS, workers={})
    [program] = [each for each in programs if each.name == "web"]
    with subprocess.Popen(program.command, cwd=CHECKOUT) as process:
        wait_http(f"http://127.0.0.1:{port}/healthz", 60, always_alive)
        yield process, port
        process.kill()


def test_the_web_s_worker_dies_with_its_killed_server(web: tuple[subprocess.Popen[bytes], int]) -> None:
    server, port = web
    [worker] = map(int, Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split())
    known = ownership.identify(worker)
    assert known is not None
    server.kill()
    server.wait()
    ownership.await_end([known], 20)
    try:
        assert not ownership.is_alive(known)
        assert ports.is_free(port)
    finally:
        ownership.end([known])


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A supervisor that has nothing to look after: all servers are somebody else's."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        url = f"redis://127.0.0.1:{server.getsockname()[1]}"
        external = dict.fromkeys(("BROKER_URL", "DATABASE_URL", "REDIS_URL"), url)
        made = Stack(Layout(tmp_path / "var"), Choice(external=external, tied=True, programs=False), Display())
        made.start_servers()
        yield made
        made.stop()


def test_the_death_of_the_supervisor_is_told(stack: Stack) -> None:
    pid = stack.supervisor.pid()
    assert pid is not None
    stack.require_supervisor()
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(StackError, match="the supervisor was killed by signal 9"):
        stack.wait_end()


def test_a_program_without_parent_is_ended_at_once_and_not_awaited(stack: Stack) -> None:
    environment = {ownership.MARK: str(stack.layout.var)}
    with subprocess.Popen([sys.executable, "-c", PATIENT], env=environment, stdout=subprocess.PIPE) as orphan:
        assert orphan.stdout is not None
        assert orphan.stdout.readline() == b"here\n"
        began = time.monotonic()
        assert stack.stop() == 2
        assert time.monotonic() - began < 30
        assert orphan.wait() == -signal.SIGTERM
