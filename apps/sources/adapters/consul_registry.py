"""Crawler nodes in Consul: each a service with a TTL check that its beats pass."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import consul
import requests

from apps.sources.domain.nodes import LATE, Heard, Node
from tradebot.contracts.errors import NotConfigured, TransientError

SERVICE = "tradebot-crawler"
ANSWER_SECONDS = 3.0
_TTL = f"{LATE.total_seconds():.0f}s"
# The shortest that Consul allows.
_FORGOTTEN = "1m"
_META_LENGTH = 512
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+\+00:00")

Answer = TypeVar("Answer")


class ConsulRegistry:
    """`Registry` over the agent's HTTP API (https://developer.hashicorp.com/consul/api-docs/agent/service). A beat's
    moment travels in the check's note, by this machine's clock. A node that is silent for LATE is critical, and Consul
    forgets it a minute later."""

    def __init__(self, host: str, port: int, *, token: str = "", secure: bool = False) -> None:
        self._client = consul.Consul(
            host, port, scheme="https" if secure else "http", connections_timeout=ANSWER_SECONDS
        )
        # Its constructor would prefer CONSUL_HTTP_TOKEN.
        self._client.token = token or None
        # A proxy of the environment is for the outside; the agent is an inner server.
        self._client.http.session.trust_env = False

    def register(self, node: Node) -> None:
        check = {"TTL": _TTL, "Status": "passing", "Notes": "beats of a crawl worker"}
        self._ask(
            lambda: self._client.agent.service.register(
                SERVICE,
                service_id=_id(node),
                tags=list(node.queues),
                meta=_meta(node),
                check={**check, "DeregisterCriticalServiceAfter": _FORGOTTEN},
                replace_existing_checks=True,
            )
        )
        self._pass(node)

    def beat(self, node: Node) -> None:
        try:
            known = self._pass(node)
        except TransientError:
            # An older agent answers 500 for a check it does not know; one that is down fails again.
            known = False
        if not known:
            self.register(node)

    def deregister(self, node: Node) -> None:
        self._ask(lambda: self._client.agent.service.deregister(_id(node)))

    def nodes(self) -> Sequence[Heard]:
        """Those that Consul knows, the latest life of each name."""
        _, entries = self._ask(lambda: self._client.health.service(SERVICE))
        latest: dict[str, Heard] = {}
        for heard in _readable(entries or []):
            before = latest.get(heard.node.name)
            if before is None or before.node.started_at <= heard.node.started_at:
                latest[heard.node.name] = heard
        return [latest[name] for name in sorted(latest)]

    def _pass(self, node: Node) -> bool:
        note = datetime.now(UTC).isoformat()
        return self._ask(lambda: bool(self._client.agent.check.ttl_pass(f"service:{_id(node)}", notes=note)))

    def _ask(self, request: Callable[[], Answer]) -> Answer:
        try:
            return request()
        except (consul.ACLPermissionDenied, consul.ACLDisabled):
            # Not chained: what Consul answers may repeat the token.
            raise NotConfigured(f"CONSUL_TOKEN: Consul refuses it; it needs service:write on {SERVICE}") from None
        except (consul.ConsulException, requests.RequestException, OSError, ValueError) as error:
            raise TransientError(f"Consul does not answer as it should ({type(error).__name__})") from error


def _id(node: Node) -> str:
    """One for each life: who comes back under the same name is not deregistered by who went."""
    return re.sub(r"[^A-Za-z0-9_.@-]", "-", f"{node.name}-{node.started_at.timestamp():.0f}")


def _meta(node: Node) -> dict[str, str]:
    told = {
        "name": node.name,
        "host": node.host,
        "queues": ",".join(node.queues),
        "plugins": ",".join(node.plugins),
        "version": node.version,
        "started_at": node.started_at.astimezone(UTC).isoformat(),
    }
    return {key: value[:_META_LENGTH] for key, value in told.items()}


def _readable(entries: Iterable[dict[str, Any]]) -> Iterable[Heard]:
    """What other programs registered under our name is left out."""
    for entry in entries:
        try:
            yield _heard(entry)
        except (KeyError, TypeError, ValueError):
            continue


def _heard(entry: dict[str, Any]) -> Heard:
    service = entry["Service"]
    meta = service["Meta"]
    started = datetime.fromisoformat(meta["started_at"])
    queues, plugins = (tuple(filter(None, meta[key].split(","))) for key in ("queues", "plugins"))
    node = Node(meta["name"], meta["host"], queues, plugins, meta["version"], started)
    outputs = [check.get("Output", "") for check in entry["Checks"] if check.get("ServiceID") == service["ID"]]
    moments = [datetime.fromisoformat(found) for output in outputs for found in _MOMENT.findall(output)]
    return Heard(node, max(moments, default=started))
