"""The supervisor of a stack: supervisord's configuration, its start, and its remote control over a private socket."""

from __future__ import annotations

import configparser
import io
import os
import shlex
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from tradebot.embedded.errors import StackError
from tradebot.embedded.layout import CHECKOUT, Layout, write_private
from tradebot.embedded.ownership import MARK, die_with
from tradebot.embedded.programs import Program
from tradebot.embedded.server import Server

_LOST_SUPERVISOR = (OSError, HTTPException, xmlrpc.client.ProtocolError)
_ANSWER_SECONDS = 10
SERVERS, PROGRAMS = "servers", "programs"
_GIVE_UP_AFTER_STARTS = 3


@dataclass(frozen=True)
class State:
    """What supervisord knows of one program."""

    name: str
    state: str
    pid: int
    started: int
    description: str


def configuration(layout: Layout, servers: list[Server], programs: list[Program]) -> str:
    """supervisord's configuration: servers start with it, programs when they are told to.

    Two groups, because supervisord stops the members of a group together and the groups one after the other.
    """
    sections: dict[str, dict[str, str]] = {
        "unix_http_server": {"file": str(layout.socket), "chmod": "0600"},
        "supervisord": _supervisord(layout),
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        },
    }
    for order, (group, names) in enumerate(_groups(servers, programs).items(), 1):
        if names:
            sections[f"group:{group}"] = {"programs": ",".join(names), "priority": str(order)}
    for order, server in enumerate(servers):
        sections[f"program:{server.name}"] = _server(layout, server) | {"priority": str(order + 1)}
    for order, program in enumerate(programs):
        sections[f"program:{program.name}"] = _program(layout, program) | {"priority": str(order + 1)}
    return _written(sections)


def _groups(servers: list[Server], programs: list[Program]) -> dict[str, list[str]]:
    return {SERVERS: [server.name for server in servers], PROGRAMS: [program.name for program in programs]}


def _written(sections: dict[str, dict[str, str]]) -> str:
    parser = configparser.RawConfigParser()
    for section, values in sections.items():
        parser[section] = {key: value.replace("%", "%%") for key, value in values.items()}
    written = io.StringIO()
    parser.write(written)
    return written.getvalue()


def _supervisord(layout: Layout) -> dict[str, str]:
    section = {
        "nodaemon": "true",
        "silent": "true",
        "logfile": str(layout.log("supervisord")),
        "logfile_maxbytes": "5MB",
        "logfile_backups": "2",
        "pidfile": str(layout.control / "pid"),
        "childlogdir": str(layout.logs),
        "umask": "077",
        "identifier": "tradebot",
    }
    return section | ({"user": "root"} if os.getuid() == 0 else {})


def _server(layout: Layout, server: Server) -> dict[str, str]:
    section = _common(layout, server.name, server.command(), server.env()) | {
        "directory": str(server.home),
        "autostart": "true",
        "stopsignal": server.stop_signal,
        "stopwaitsecs": "30",
        "stopasgroup": "true",
    }
    return section | ({"user": server.user} if server.user else {})


def _program(layout: Layout, program: Program) -> dict[str, str]:
    return _common(layout, program.name, program.command, program.secret_env) | {
        "directory": str(CHECKOUT),
        "autostart": "false",
        "stopsignal": program.stop_signal,
        "stopwaitsecs": str(program.stop_seconds),
        "stopasgroup": "true" if program.signal_whole_group else "false",
    }


def _common(layout: Layout, name: str, command: Sequence[str], env: Mapping[str, str]) -> dict[str, str]:
    return {
        "command": shlex.join(command),
        "environment": ",".join(f"{key}={_quoted(value)}" for key, value in env.items()),
        "autorestart": "true",
        "startsecs": "2",
        "startretries": "30",
        "killasgroup": "true",
        "redirect_stderr": "true",
        # supervisord expands this one value twice.
        "stdout_logfile": str(layout.log(name)).replace("%", "%%"),
        "stdout_logfile_maxbytes": "10MB",
        "stdout_logfile_backups": "3",
    }


def _quoted(value: str) -> str:
    if '"' in value or "\n" in value:
        raise ValueError("supervisord can't pass a double quote or a line break in an environment")
    return f'"{value}"'


def start(
    layout: Layout, config: str, environment: Mapping[str, str], *, tied: bool, keep: socket.socket
) -> subprocess.Popen[bytes]:
    """Starts supervisord in a session of its own. If `tied`, it stops everything when this process dies.

    It holds `keep` open for as long as it lives.
    """
    write_private(layout.config, config)
    layout.socket.unlink(missing_ok=True)
    own = dict(environment) | {MARK: str(layout.var)}
    with layout.log("supervisord").open("ab") as output:
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(layout.config)],
            cwd=CHECKOUT,
            env=own,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=(keep.fileno(),),
            preexec_fn=die_with(os.getpid()) if tied else None,  # noqa: PLW1509
        )


class _Connection(HTTPConnection):
    """A connection that gives up on a supervisord that no longer answers."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_ANSWER_SECONDS)
        self.sock.connect(self.host)


class _Transport(SupervisorTransport):  # type: ignore[misc]
    def __init__(self, socket_path: Path) -> None:
        super().__init__(serverurl=f"unix://{socket_path}")
        self._get_connection = lambda: _Connection(str(socket_path))


class Supervisor:
    """Remote control of a running supervisord."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def is_running(self) -> bool:
        """Whether a supervisord answers on this stack's socket."""
        try:
            self._call("getState")
        except _LOST_SUPERVISOR:
            return False
        return True

    def pid(self) -> int | None:
        """supervisord's own process; None when none answers."""
        try:
            return int(self._call("getPID"))
        except _LOST_SUPERVISOR:
            return None

    def wait_running(self, process: subprocess.Popen[bytes], timeout: float = 20) -> None:
        """Returns once it answers. StackError when it ends instead, or is silent for `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not self.is_running():
            if process.poll() is not None or time.monotonic() > deadline:
                raise StackError("the supervisor did not start", log=self._layout.log("supervisord"))
            time.sleep(0.05)

    def states(self) -> list[State]:
        """Every program's state, in the order of their starting. Raises StackError when supervisord is gone."""
        try:
            rows = self._call("getAllProcessInfo")
        except _LOST_SUPERVISOR as error:
            raise StackError("the supervisor is gone", log=self._layout.log("supervisord")) from error
        return [State(r["name"], r["statename"], r["pid"], r["start"], r["description"]) for r in rows]

    def start(self, program: str) -> None:
        """Starts one of our programs without waiting for it."""
        self._call("startProcess", f"{PROGRAMS}:{program}", False)

    def shutdown(self) -> bool:
        """Asks supervisord to stop everything and end; returns at once, False when nobody listens."""
        try:
            self._call("shutdown")
        except xmlrpc.client.Fault:
            return True
        except _LOST_SUPERVISOR:
            return False
        return True

    def _call(self, method: str, *arguments: object) -> Any:
        transport = _Transport(self._layout.socket)
        with xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport) as proxy:
            return getattr(proxy.supervisor, method)(*arguments)


class Watch:
    """Raises when a program of a starting stack fails again and again."""

    def __init__(self, layout: Layout, supervisor: Supervisor) -> None:
        self._layout = layout
        self._supervisor = supervisor
        self._starts: dict[str, set[int]] = {}

    def __call__(self) -> None:
        for state in self._supervisor.states():
            starts = self._starts.setdefault(state.name, set())
            if state.started:
                starts.add(state.started)
            if state.state == "FATAL" or len(starts) >= _GIVE_UP_AFTER_STARTS:
                raise StackError(f"{state.name} does not stay up", log=self._layout.log(state.name))
