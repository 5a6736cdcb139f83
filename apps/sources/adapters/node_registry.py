"""NODE_REGISTRY: `database`, or `consul://host:port`."""

from __future__ import annotations

import re

from django.conf import settings

from apps.sources.adapters.secrets import resolved
from apps.sources.domain.nodes import Registry
from apps.sources.node_services import DatabaseRegistry
from tradebot.contracts.errors import InvalidField

_CONSUL = re.compile(r"(consuls?)://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):(\d{1,5})/?")


def node_registry(address: str = "") -> Registry:
    """Where nodes announce themselves. Raises InvalidField, and NotConfigured for a token that is not there."""
    address = address or settings.NODE_REGISTRY
    if address == "database":
        return DatabaseRegistry()
    if found := _CONSUL.fullmatch(address):
        # Every worker imports this module; few speak to Consul.
        from apps.sources.adapters.consul_registry import ConsulRegistry

        scheme, host, port = found.groups()
        token = resolved({"CONSUL_TOKEN": settings.CONSUL_TOKEN or ""})["CONSUL_TOKEN"]
        return ConsulRegistry(host, int(port), token=token, secure=scheme == "consuls")
    raise InvalidField("NODE_REGISTRY", "must be database, or consul://HOST:PORT (consuls:// for TLS)")
