"""A RabbitMQ node of our own: started by us, on ports of its own, sharing nothing with one the system may run."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import amqp

from tradebot.embedded.debian import search_path
from tradebot.embedded.layout import private, write_private
from tradebot.embedded.server import always_alive, await_success

ROLE = "tradebot"
PORTS = ("rabbitmq", "rabbitmq_dist", "rabbitmq_epmd")
_RETRY_ON = (OSError, amqp.exceptions.AMQPError)


@dataclass(frozen=True)
class RabbitMQ:
    """One node on loopback. Booting takes 20 to 60 s of two busy cores, so start it first and wait for it last."""

    home: Path
    port: int
    dist_port: int
    epmd_port: int
    password: str
    script: Path
    name: str = "rabbitmq"
    user: None = None
    stop_signal: str = "TERM"

    @property
    def url(self) -> str:
        return f"amqp://{ROLE}:{self.password}@127.0.0.1:{self.port}//"

    def prepare(self) -> None:
        private(self.home)
        for folder in ("home", "mnesia", "log", "generated"):
            private(self.home / folder)
        write_private(self.home / "rabbitmq.conf", "\n".join(self._settings()) + "\n")
        write_private(self.home / "enabled_plugins", "[].\n")
        write_private(self.home / "start.sh", self._start_script())
        if not self._node.is_file():
            write_private(self._node, str(self.port))

    def command(self) -> list[str]:
        return ["/bin/sh", str(self.home / "start.sh")]

    def env(self) -> dict[str, str]:
        """Everything a node would share with another one, made its own (rabbitmq.com/docs/configure)."""
        return {
            "PATH": search_path(),
            "HOME": str(self.home / "home"),
            "RABBITMQ_NODENAME": f"r{self._node_number()}@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(self.dist_port),
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": str(self.home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.home / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self.home / "generated"),
            "RABBITMQ_PID_FILE": str(self.home / "pid"),
            "RABBITMQ_CONF_ENV_FILE": str(self.home / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.home / "enabled_plugins"),
            "RABBITMQ_CONFIG_FILE": str(self.home / "rabbitmq.conf"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_CTL_ERL_ARGS": "+sbwt none",
        }

    def wait_ready(self, timeout: float, alive: Callable[[], None] = always_alive) -> None:
        await_success(self.name, self.version, _RETRY_ON, timeout, alive)

    def version(self) -> str:
        """Product and version as the node's AMQP greeting tells them."""
        with amqp.Connection(
            f"127.0.0.1:{self.port}", userid=ROLE, password=self.password, connect_timeout=5, read_timeout=20
        ) as connection:
            properties = connection.server_properties
        return f"{properties['product']} {properties['version']}"

    def _settings(self) -> list[str]:
        return [
            f"listeners.tcp.1 = 127.0.0.1:{self.port}",
            f"default_user = {ROLE}",
            f"default_pass = {self.password}",
            "default_permissions.configure = .*",
            "default_permissions.read = .*",
            "default_permissions.write = .*",
        ]

    def _start_script(self) -> str:
        # Erlang would leave a port mapper behind as a daemon; one that is there already, in our group, prevents that.
        mapper = f"epmd -port {self.epmd_port} -address 127.0.0.1"
        return f"#!/bin/sh\n{mapper} &\nexec {shlex.quote(str(self.script))}\n"

    @property
    def _node(self) -> Path:
        # The name is part of the database on disk, so it outlives a change of ports.
        return self.home / "node"

    def _node_number(self) -> int:
        return int(self._node.read_text()) if self._node.is_file() else self.port
