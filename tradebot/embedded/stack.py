"""A whole stack: servers, database, programs, started in the right order and stopped to the last process."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from tradebot.embedded import debian, ownership, ports, runfile, secrets
from tradebot.embedded.console import Display
from tradebot.embedded.errors import StackError
from tradebot.embedded.layout import CHECKOUT, Layout
from tradebot.embedded.postgres import Postgres, choose_home, home_of
from tradebot.embedded.programs import PAPER_EXCHANGE, Program, our_programs
from tradebot.embedded.rabbitmq import PORTS as RABBITMQ_PORTS
from tradebot.embedded.rabbitmq import RabbitMQ
from tradebot.embedded.readiness import (
    WorkerArrivals,
    require_reachable,
    wait_http,
    wait_listening,
    wait_streams,
)
from tradebot.embedded.runfile import Addresses
from tradebot.embedded.server import Server
from tradebot.embedded.supervise import Supervisor, Watch, configuration, start
from tradebot.embedded.valkey import Valkey

_SERVER_SECONDS = 180
_PROGRAM_SECONDS = 180
_STOP_SECONDS = 60
_PORT_NAMES = ["postgres", "valkey", *RABBITMQ_PORTS, "flower", "paper_exchange"]
_WEB_PORT = 8000


@dataclass(frozen=True)
class Choice:
    """What the caller asked for."""

    broker: str = "rabbitmq"
    """`rabbitmq`, or `embedded` for Valkey."""

    external: Mapping[str, str] = field(default_factory=dict)
    """Servers that are not ours to start: BROKER_URL, DATABASE_URL, REDIS_URL."""

    durable: bool = True
    """Whether the database survives a power cut; a throw-away one need not."""

    tied: bool = False
    """Whether the stack dies with this process."""

    programs: bool = True
    """Whether our programs belong to it, or only the servers."""

    web_port: int | None = None


class Stack:
    """One stack under one var/."""

    def __init__(self, layout: Layout, choice: Choice, display: Display) -> None:
        self.layout = layout
        self.choice = choice
        self.display = display
        self.supervisor = Supervisor(layout)
        self._process: subprocess.Popen[bytes] | None = None

    # --- starting ----------------------------------------------------------------------------------------------------

    def start_servers(self) -> None:
        """Starts every server that is not external. They run, but nothing is known to be ready yet."""
        self.layout.create()
        for name, url in self.choice.external.items():
            require_reachable(name, url)
        self._make_tools_available()
        self.secrets = secrets.ensure(self.layout.secrets)
        self.ports = ports.choose(self.layout.ports, _PORT_NAMES)
        self.servers = self._choose_servers()
        self._web_claim = ports.claim(self.choice.web_port or _WEB_PORT)
        self.addresses = self._choose_addresses()
        self.programs = self._choose_programs()
        for server in self.servers.values():
            server.prepare()
        self._wipe_metrics()
        runfile.write(self.layout.run_file, self.addresses)
        config = configuration(self.layout, list(self.servers.values()), self.programs)
        self._process = start(self.layout, config, self.environment(), tied=self.choice.tied, keep=self._web_claim)
        self.supervisor.wait_running(self._process)
        self.watch = Watch(self.layout, self.supervisor)

    def wait_server(self, name: str) -> None:
        """Returns once the server is ready; nothing to wait for when it is external."""
        if server := self.servers.get(name):
            with self.display.step(f"{name} is ready"):
                server.wait_ready(_SERVER_SECONDS, self.watch)

    def wait_servers(self) -> None:
        """RabbitMQ last: it boots longest."""
        for name in ("valkey", "postgres", "rabbitmq"):
            self.wait_server(name)

    def start_paper_exchange(self) -> None:
        """Starts the one program that others ask for something before they start: which markets there are."""
        self.supervisor.start(PAPER_EXCHANGE)
        with self.display.step("paper exchange answers"):
            wait_listening(self.addresses.paper_exchange, _PROGRAM_SECONDS, self.watch)

    def start_programs(self) -> None:
        """Starts our programs and returns once each of them is ready."""
        watch, addresses = self.watch, self.addresses
        nodes = {
            program.name.removeprefix("worker-") for program in self.programs if program.name.startswith("worker-")
        }
        with WorkerArrivals(addresses.broker, nodes) as arrivals:
            for program in self.programs:
                if program.name != PAPER_EXCHANGE:
                    self.supervisor.start(program.name)
            with self.display.step("web and Flower answer"):
                wait_http(f"{addresses.web}/readyz", _PROGRAM_SECONDS, watch)
                wait_listening(addresses.flower, _PROGRAM_SECONDS, watch)
            with self.display.step(f"workers are online: {', '.join(sorted(nodes))}"):
                arrivals.wait(_PROGRAM_SECONDS, watch)
            with self.display.step("streams are listening"):
                wait_streams(f"{addresses.web}/readyz", _PROGRAM_SECONDS, watch)

    def manage(self, step: str, *arguments: str) -> None:
        """Runs a management command to its end. StackError with its log when it fails."""
        log = self.layout.log(f"manage-{arguments[0]}")
        with self.display.step(step), log.open("wb") as output:
            command = [sys.executable, "manage.py", *arguments]
            done = subprocess.run(  # noqa: S603
                command,
                cwd=CHECKOUT,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                check=False,
            )
        if done.returncode:
            raise StackError(f"`manage.py {' '.join(arguments)}` ended with code {done.returncode}", log=log)

    def wait_end(self) -> None:
        """Waits for as long as the supervisor lives. It never should end by itself: StackError when it does."""
        if self._process is not None:
            self._process.wait()
            self.require_supervisor()

    def require_supervisor(self) -> None:
        """StackError when the supervisor that this stack started has ended."""
        code = None if self._process is None else self._process.poll()
        if code is not None:
            how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
            raise StackError(
                f"the supervisor {how}, so nothing looks after the programs any more; they are stopped",
                remedy="start again",
                log=None if code < 0 else self.layout.log("supervisord"),
            )

    # --- what it consists of -----------------------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        """What programs and commands need to find this stack; the rest they read from var/run.json and var/secrets."""
        own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return own | {
            "VAR_DIR": str(self.layout.var),
            "PATH": debian.search_path(),
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "tradebot.settings",
            "PROMETHEUS_MULTIPROC_DIR": str(self.layout.prometheus),
            "BROKER_URL": self.addresses.broker,
            "DATABASE_URL": self.addresses.database,
            "REDIS_URL": self.addresses.redis,
        }

    def _make_tools_available(self) -> None:
        if self._needs_rabbitmq and not debian.is_present(debian.RABBITMQ):
            with self.display.step("RabbitMQ is installed"):
                debian.ensure((debian.RABBITMQ,), self.display.say)

    @property
    def _needs_rabbitmq(self) -> bool:
        return self.choice.broker == "rabbitmq" and "BROKER_URL" not in self.choice.external

    def _choose_servers(self) -> dict[str, Server]:
        """Those to start, the slowest first."""
        var, external = self.layout.var, self.choice.external
        servers: dict[str, Server] = {}
        if self._needs_rabbitmq:
            port, dist, epmd = (self.ports[name] for name in RABBITMQ_PORTS)
            password, script = self.secrets["RABBITMQ_PASSWORD"], debian.rabbitmq_script()
            servers["rabbitmq"] = RabbitMQ(var / "rabbitmq", port, dist, epmd, password, script)
        if "DATABASE_URL" not in external:
            password = self.secrets["POSTGRES_PASSWORD"]
            servers["postgres"] = Postgres(choose_home(var), self.ports["postgres"], password, self.choice.durable)
        if not {"REDIS_URL", "BROKER_URL"} <= external.keys():
            password = self.secrets["VALKEY_PASSWORD"]
            servers["valkey"] = Valkey(var / "valkey", self.ports["valkey"], password, self.choice.durable)
        return servers

    def _choose_addresses(self) -> Addresses:
        external = self.choice.external
        return Addresses(
            web=f"http://127.0.0.1:{self._web_claim.getsockname()[1]}",
            flower=f"http://127.0.0.1:{self.ports['flower']}",
            broker=external.get("BROKER_URL") or self._own_broker(),
            database=external.get("DATABASE_URL") or self.servers["postgres"].url,
            redis=external.get("REDIS_URL") or self.servers["valkey"].url,
            paper_exchange=f"http://127.0.0.1:{self.ports['paper_exchange']}",
        )

    def _own_broker(self) -> str:
        if rabbitmq := self.servers.get("rabbitmq"):
            return rabbitmq.url
        valkey = self.servers["valkey"]
        return valkey.broker_url if isinstance(valkey, Valkey) else valkey.url

    def _choose_programs(self) -> list[Program]:
        if not self.choice.programs:
            return []
        from workers.topology import workers_here

        away = [queue.strip() for queue in os.environ.get("QUEUES_ELSEWHERE", "").split(",") if queue.strip()]
        try:
            groups = workers_here(away)
        except ValueError as error:
            raise StackError(f"QUEUES_ELSEWHERE: {error}") from None
        numbers = [int(url.rpartition(":")[2]) for url in (self.addresses.web, self.addresses.flower)]
        return our_programs(
            web=numbers[0],
            flower=numbers[1],
            paper=self.ports["paper_exchange"],
            var=self.layout.var,
            secrets=self.secrets,
            workers=groups,
        )

    def _wipe_metrics(self) -> None:
        # Files of dead processes would be added to the figures of living ones.
        shutil.rmtree(self.layout.prometheus, ignore_errors=True)
        self.layout.prometheus.mkdir(mode=0o700)

    # --- stopping ----------------------------------------------------------------------------------------------------

    def stop(self) -> int:
        """Stops everything, in order if the supervisor still answers, by force if not; returns how many processes."""
        return stop(self.layout, self._process)


def stop(layout: Layout, supervisor: subprocess.Popen[bytes] | None = None) -> int:
    """Stops the stack of this var/, whoever started it, and removes its addresses. Returns how many processes ended."""
    database = home_of(layout.var)
    before = ownership.owned(layout.var, database)
    remote = Supervisor(layout)
    if (pid := remote.pid()) and remote.shutdown():
        # Only what it stops is awaited: whoever lost his parent never hears of it.
        ownership.await_end(ownership.family(pid, before), _STOP_SECONDS)
    ownership.end(ownership.owned(layout.var, database))
    if supervisor is not None:
        supervisor.wait()
    runfile.remove(layout.run_file)
    layout.socket.unlink(missing_ok=True)
    return len(before)


@contextmanager
def locked(layout: Layout) -> Iterator[None]:
    """One command at a time starts or stops the stack. StackError when another is at it."""
    layout.create()
    with layout.lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(
                "another command is starting or stopping this stack", remedy="wait for it, then try again"
            ) from None
        yield
