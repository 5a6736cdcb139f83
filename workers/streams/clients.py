"""ccxt.pro clients: one for each account, one for each venue's prices. ccxt comes with the first of them."""

from __future__ import annotations

import logging
from functools import cache
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from apps.exchanges.adapters import lean
from apps.exchanges.selectors import VenueInfo

TIMEOUT_MS = 10_000
PING_MS = 5_000
"""After two pings without an answer a connection is dead. Venues with pings of their own have their own times."""

_quiet = logging.getLogger("tradebot.ccxt")
_quiet.setLevel(logging.INFO)  # at DEBUG ccxt writes what it sends, and with it keys and signatures


def listening(rest: Any, info: VenueInfo) -> Any:
    """A ccxt.pro client with the keys and the markets of `rest`, a ccxt client of that venue that has loaded them. To
    be closed by whoever asked for it."""
    client = _class_of(rest.id)({"timeout": TIMEOUT_MS, "enableRateLimit": False})
    client.number = str
    client.logger = _quiet
    if "ping" not in client.streaming:
        client.streaming = {**client.streaming, "keepAlive": PING_MS}
    for name in ("apiKey", "secret", "password", "uid"):
        setattr(client, name, getattr(rest, name, None))
    client.options = {**client.options, **_SPOT_ONLY.get(rest.id, {})}
    if info.sandbox and not info.base_url:
        client.set_sandbox_mode(True)
    if info.base_url:
        _move(client, rest, info.base_url)
    client.set_markets_from_exchange(rest)
    return client


class Guarded:
    """A ccxt.pro mixin: an event that ccxt can't read ends the connection. ccxt itself would stop reading and say
    nothing."""

    def handle_message(self, client: Any, message: Any) -> None:
        from ccxt.base.errors import NetworkError

        try:
            super().handle_message(client, message)  # type: ignore[misc]
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody would hear of it otherwise
            client.reset(NetworkError(f"an event could not be read: {type(error).__name__}"))


@cache
def _class_of(name: str) -> type[Any]:
    lean.install()
    ccxt_pro = import_module("ccxt.pro")
    return type(f"Guarded{name.title()}", (Guarded, getattr(ccxt_pro, name)), {})


_SPOT_ONLY: dict[str, dict[str, Any]] = {
    "binance": {
        "defaultType": "spot",
        # One stream with the best prices and the last one, every second.
        "watchTickers": {"name": "ticker"},
    },
    "bybit": {"defaultType": "spot"},
    "okx": {"defaultType": "spot"},
}


def _move(client: Any, rest: Any, base_url: str) -> None:
    """Point a client where `rest` points, and its sockets there too, each at the path that the venue gives it."""
    parts = urlsplit(base_url)
    root = f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}"
    sockets = _moved(client.urls["api"]["ws"], root)
    client.urls = {**client.urls, "api": {**client.urls["api"], **rest.urls["api"], "ws": sockets}}


def _moved(address: Any, root: str) -> Any:
    if isinstance(address, dict):
        return {name: _moved(one, root) for name, one in address.items()}
    return root + urlsplit(address).path if isinstance(address, str) else address
