"""What an agent knows: services, their TTL checks, and what time does to them.

https://developer.hashicorp.com/consul/api-docs/agent/service, /agent/check, /health (read 2026).
"""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass, field
from typing import Any

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
SHORTEST_DEREGISTER = 60.0


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass
class Check:
    """One TTL check. `passed_at` is the agent's own clock; `due` never without a TTL."""

    id: str
    ttl: float
    forget_after: float | None
    status: str
    passed_at: float
    notes: str = ""
    output: str = ""


@dataclass
class Service:
    id: str
    name: str
    tags: list[str]
    meta: dict[str, str]
    checks: list[Check] = field(default_factory=list)


class Agent:
    """One agent. `token`: what every request must bring, when it is set."""

    def __init__(self, token: str = "") -> None:
        self.token = token
        self._services: dict[str, Service] = {}
        self._ahead = 0.0
        self._index = 1
        self._lock = threading.Lock()

    # --- the documented endpoints ------------------------------------------------------------------------------------

    def register(self, body: dict[str, Any]) -> None:
        """PUT /v1/agent/service/register"""
        with self._lock:
            given = {key.lower(): value for key, value in body.items()}
            name = given.get("name") or ""
            if not name:
                raise Refused(400, "Missing service name")
            meta = given.get("meta") or {}
            _require_meta(meta)
            service = Service(str(given.get("id") or name), name, list(given.get("tags") or []), meta)
            wanted = given.get("checks") or [given[key] for key in ("check",) if given.get(key)]
            service.checks = [self._check(service, number, one, len(wanted)) for number, one in enumerate(wanted, 1)]
            self._services[service.id] = service
            self._index += 1

    def pass_check(self, check_id: str, note: str) -> None:
        """PUT /v1/agent/check/pass/:check_id"""
        with self._lock:
            self._grow_old()
            for service in self._services.values():
                for check in service.checks:
                    if check.id == check_id:
                        check.status, check.output, check.passed_at = "passing", note, self._now()
                        return
        raise Refused(404, f'Unknown check ID "{check_id}". Ensure that the check ID is passed, not the check name.')

    def deregister(self, service_id: str) -> None:
        """PUT /v1/agent/service/deregister/:service_id"""
        with self._lock:
            if self._services.pop(service_id, None) is None:
                reason = "Ensure that the service ID is passed, not the service name."
                raise Refused(404, f'Unknown service ID "{service_id}". {reason}')
            self._index += 1

    def health(self, name: str, *, passing: bool) -> tuple[int, list[dict[str, Any]]]:
        """GET /v1/health/service/:service"""
        with self._lock:
            self._grow_old()
            found = [_entry(service) for service in self._services.values() if service.name == name]
            if passing:
                found = [entry for entry in found if all(check["Status"] == "passing" for check in entry["Checks"])]
            return self._index, found

    # --- the test's own door -----------------------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Let time pass here, and nowhere else."""
        with self._lock:
            self._ahead += seconds

    def forget(self) -> None:
        """As an agent that came back without its data."""
        with self._lock:
            self._services.clear()

    # --- pieces ------------------------------------------------------------------------------------------------------

    def _check(self, service: Service, number: int, body: dict[str, Any], count: int) -> Check:
        given = {key.lower(): value for key, value in body.items()}
        if not given.get("ttl"):
            raise Refused(400, "Invalid check: TTL must be > 0 for TTL checks")
        forget = given.get("deregistercriticalserviceafter")
        return Check(
            id=f"service:{service.id}" if count == 1 else f"service:{service.id}:{number}",
            ttl=_seconds(given["ttl"]),
            forget_after=max(_seconds(forget), SHORTEST_DEREGISTER) if forget else None,
            status=given.get("status") or "critical",
            passed_at=self._now(),
            notes=given.get("notes") or "",
        )

    def _grow_old(self) -> None:
        now = self._now()
        for service in list(self._services.values()):
            for check in service.checks:
                silent = now - check.passed_at
                if silent > check.ttl and check.status == "passing":
                    check.status = "critical"
                    check.output = f"TTL expired (last output before timeout follows): {check.output}"
                if check.status == "critical" and check.forget_after and silent > check.ttl + check.forget_after:
                    self._services.pop(service.id, None)

    def _now(self) -> float:
        return time.monotonic() + self._ahead


def _require_meta(meta: dict[str, Any]) -> None:
    for key, value in meta.items():
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", key) or not isinstance(value, str) or len(value) > 512:
            raise Refused(400, f"Invalid Service Meta: {key}")


def _seconds(duration: str) -> float:
    parts = re.findall(r"([\d.]+)(ms|s|m|h)", duration)
    if not parts:
        raise Refused(400, f"Request decode error: time: invalid duration {duration!r}")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _entry(service: Service) -> dict[str, Any]:
    return {
        "Node": {"ID": "0", "Node": "agent", "Address": "127.0.0.1", "Datacenter": "dc1"},
        "Service": {
            "ID": service.id,
            "Service": service.name,
            "Tags": service.tags,
            "Meta": service.meta,
            "Address": "",
            "Port": 0,
        },
        "Checks": [
            {"Node": "agent", "CheckID": "serfHealth", "Name": "Serf Health Status", "Status": "passing"}
            | {"Output": "Agent alive and reachable", "ServiceID": "", "ServiceName": ""},
            *(_shown(service, check) for check in service.checks),
        ],
    }


def _shown(service: Service, check: Check) -> dict[str, Any]:
    return {
        "Node": "agent",
        "CheckID": check.id,
        "Name": f"Service '{service.name}' check",
        "Status": check.status,
        "Notes": check.notes,
        "Output": check.output,
        "ServiceID": service.id,
        "ServiceName": service.name,
        "Type": "ttl",
    }
