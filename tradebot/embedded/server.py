"""What PostgreSQL, Valkey and RabbitMQ have in common, and how to run one of them for the length of a with block."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from tradebot.embedded.errors import StackError

_POLL = 0.1


class Server(Protocol):
    """A server that can run under supervisord or under a test fixture."""

    @property
    def name(self) -> str: ...

    @property
    def user(self) -> str | None:
        """The account it must run as, None for one's own."""

    @property
    def home(self) -> Path:
        """Its folder, and its working directory."""

    @property
    def stop_signal(self) -> str:
        """The signal that makes it stop at once and in order, without `SIG`."""

    @property
    def url(self) -> str:
        """Where clients connect, credentials included."""

    def prepare(self) -> None:
        """Makes its files. Safe to repeat."""

    def command(self) -> list[str]:
        """Its arguments; it stays in the foreground, and no secret is among them."""

    def env(self) -> dict[str, str]:
        """What it needs in its environment besides the caller's own."""

    def wait_ready(self, timeout: float, alive: Callable[[], None] = ...) -> None:
        """Returns once it serves clients. `alive` is asked in between and raises when the process is gone."""

    def version(self) -> str:
        """The version that the running server tells of itself."""


def always_alive() -> None:
    """Nobody watches the process."""


def await_success(
    what: str,
    attempt: Callable[[], object],
    retry_on: tuple[type[Exception], ...],
    timeout: float,
    alive: Callable[[], None],
) -> None:
    """Calls `attempt` until it does not raise one of `retry_on`; StackError naming `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        alive()
        try:
            attempt()
        except retry_on as error:
            if time.monotonic() > deadline:
                raise StackError(f"{what} gives no good answer within {timeout:.0f} s: {error}") from error
            time.sleep(_POLL)
        else:
            return


@contextmanager
def running(server: Server, timeout: float = 150) -> Iterator[Server]:
    """The server, prepared, started in a process group of its own, ready; stopped at the end of the block."""
    server.prepare()
    log = server.home / "output.log"
    with log.open("ab") as output:
        process = start(server, output)
    try:
        server.wait_ready(timeout, lambda: _require_alive(process, server, log))
        yield server
    finally:
        stop(process, server.stop_signal)


def start(server: Server, output: IO[bytes]) -> subprocess.Popen[bytes]:
    """Starts the server's process, in a session of its own, as its own user."""
    return subprocess.Popen(  # noqa: S603
        server.command(),
        cwd=server.home,
        env=os.environ | server.env(),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        user=server.user,
        extra_groups=None if server.user is None else [],
    )


def stop(process: subprocess.Popen[bytes], stop_signal: str, timeout: float = 30) -> None:
    """Asks the whole process group to stop, and kills what has not after `timeout` seconds."""
    try:
        os.killpg(process.pid, signal.Signals[f"SIG{stop_signal}"])
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    except ProcessLookupError:
        process.wait()


def _require_alive(process: subprocess.Popen[bytes], server: Server, log: Path) -> None:
    if (code := process.poll()) is not None:
        raise StackError(f"{server.name} stopped with code {code} while it started", log=log)
