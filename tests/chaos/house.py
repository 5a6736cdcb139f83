"""The whole stack of `make up`, with a link of ours in front of every server and of the exchange."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psutil

from tests.chaos.proxy import Links
from tradebot.embedded import commands
from tradebot.embedded.console import Display
from tradebot.embedded.errors import StackError
from tradebot.embedded.layout import Layout
from tradebot.embedded.programs import PAPER_EXCHANGE, Program
from tradebot.embedded.readiness import wait_listening
from tradebot.embedded.runfile import Addresses
from tradebot.embedded.stack import Choice, Stack

_MUTABLE = "worker-"
_START_SECONDS = 180


class House(Stack):
    """A stack whose programs find every server behind a link. `direct` are the addresses without."""

    direct: Addresses

    def __init__(self, layout: Layout, choice: Choice, display: Display, links: Links, mutant: str) -> None:
        super().__init__(layout, choice, display)
        self.links = links
        self.mutant = mutant

    def start_paper_exchange(self) -> None:
        self.supervisor.start(PAPER_EXCHANGE)
        wait_listening(self.direct.paper_exchange, _START_SECONDS, self.watch)

    def environment(self) -> dict[str, str]:
        """What programs see: the links. PAPER_EXCHANGE_URL too, which the driver may have set for itself."""
        # Prices are moved to trigger guards, and many say the same: neither is a scheme here.
        judged = {"STORY_MINUTES": "0", "MANIPULATION_LIMIT": "1"}
        return super().environment() | judged | {"PAPER_EXCHANGE_URL": self.addresses.paper_exchange}

    def pid(self, program: str) -> int:
        """The process that supervisord started for a program or a server; 0 while there is none."""
        return next((state.pid for state in self.supervisor.states() if state.name == program), 0)

    def kill(self, program: str) -> bool:
        """kill -9 a program and all of its descendants; whether it ran."""
        pid = self.pid(program)
        if not pid:
            return False
        process = psutil.Process(pid)
        for victim in [process, *process.children(recursive=True)]:
            _kill(victim)
        return True

    def kill_children(self, program: str) -> bool:
        """kill -9 the processes that do a worker's tasks: its pool's, or the worker where its pool is threads."""
        pid = self.pid(program)
        if not pid:
            return False
        worker = psutil.Process(pid)
        for process in worker.children() or [worker]:
            _kill(process)
        return True

    def stop_immediately(self) -> bool:
        """PostgreSQL's immediate shutdown (SIGQUIT to the postmaster): no checkpoint, no good-bye."""
        pid = self.pid("postgres")
        if pid:
            psutil.Process(pid).send_signal(3)
        return bool(pid)

    def is_up(self) -> bool:
        """Whether every server and program of the stack runs."""
        return all(state.state == "RUNNING" for state in self.supervisor.states())

    def _choose_addresses(self) -> Addresses:
        self.direct = super()._choose_addresses()
        return replace(
            self.direct,
            broker=self._linked("broker", self.direct.broker),
            database=self._linked("database", self.direct.database),
            redis=self._linked("cache", self.direct.redis),
            paper_exchange=self._linked("exchange", self.direct.paper_exchange),
        )

    def _linked(self, name: str, url: str) -> str:
        parts = urlsplit(url)
        assert parts.port is not None, f"the address of the {name} names no port"
        place, _, _ = parts.netloc.rpartition(":")
        return urlunsplit(parts._replace(netloc=f"{place}:{self.links.open(name, parts.port)}"))

    def _choose_programs(self) -> list[Program]:
        return [self._mutated(program) for program in super()._choose_programs()]

    def _mutated(self, program: Program) -> Program:
        if not self.mutant or not program.name.startswith(_MUTABLE):
            return program
        python, *rest = program.command
        return replace(program, command=(python, "-m", "tests.chaos.mutants", self.mutant, *rest))


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        """It went first."""


@contextmanager
def house(mutant: str = "") -> Iterator[House]:
    """A house that is up, and this process's settings pointed at its servers, past the links."""
    with tempfile.TemporaryDirectory(prefix="tradebot-chaos-") as folder:
        layout = Layout(Path(folder).resolve())
        choice = Choice(tied=True, web_port=18600)
        built = House(layout, choice, Display(), Links(), mutant)
        with commands._stopped_at_end(built, built.display):
            _bring_up(built)
            _point_at(built)
            yield built
        built.links.close()


def _bring_up(built: House) -> None:
    try:
        commands._bring_up(built)
    except StackError as error:
        # Its log goes with the folder.
        built.display.failure(error)
        raise


def _point_at(built: House) -> None:
    for name in ("SECRET_KEY", "CREDENTIAL_KEYS", "PAPER_EXCHANGE_TOKEN"):
        os.environ.pop(name, None)
    direct = built.direct
    os.environ |= {
        "VAR_DIR": str(built.layout.var),
        "DJANGO_SETTINGS_MODULE": "tradebot.settings",
        "LOG_FORMAT": "text",
        "DATABASE_URL": direct.database,
        "BROKER_URL": direct.broker,
        "REDIS_URL": direct.redis,
        "PAPER_EXCHANGE_URL": direct.paper_exchange,
    }
    import django

    django.setup()
