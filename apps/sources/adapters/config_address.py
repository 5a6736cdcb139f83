"""CRAWLER_CONFIG: `file:PATH`, or `etcd://host:port/key`."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from django.conf import settings

from apps.sources.adapters.config_file import ConfigFile
from apps.sources.domain.config_source import ConfigSource
from tradebot.contracts.errors import InvalidField

_ETCD = re.compile(r"(etcds?)://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):(\d{1,5})/(.+)")


def config_source(address: str) -> ConfigSource:
    """Where the configuration is kept. A relative path lies under the checkout. Raises InvalidField."""
    if address.startswith("file:") and address != "file:":
        return ConfigFile(settings.BASE_DIR / address.removeprefix("file:"))
    if found := _ETCD.fullmatch(address):
        from apps.sources.adapters.config_etcd import ConfigEtcd, Trust

        scheme, host, port, key = found.groups()
        trust = Trust(settings.ETCD_CA, settings.ETCD_CERT, settings.ETCD_KEY)
        return ConfigEtcd(host.strip("[]"), int(port), unquote(key), secure=scheme == "etcds", trust=trust)
    raise InvalidField("CRAWLER_CONFIG", "must be file:PATH, or etcd://HOST:PORT/KEY (etcds:// for TLS)")


def last_good(address: str) -> Path:
    """Where the last good configuration of this address is kept on disk."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", address).strip("-")[-100:]
    return Path(settings.VAR_DIR) / "crawler-config" / f"{name}.toml"
