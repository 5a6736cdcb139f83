"""One websocket connection of an OKX client: who it is, and which channels it listens to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

from aiohttp import WSMsgType, web

from apps.exchanges.paper.binance.connection import Connection
from apps.exchanges.paper.faults import Faults
from apps.exchanges.paper.ledger import Account

PING, PONG = "ping", b"pong"


class Line(Connection):
    """`args`: the channels it subscribed to, as it named them."""

    def __init__(self, socket: web.WebSocketResponse, faults: Faults, now: Callable[[], int]) -> None:
        super().__init__(socket, faults, now, combined=False)
        self.args: dict[str, Mapping[str, Any]] = {}

    @property
    def account(self) -> Account | None:
        return next(iter(self.accounts.values()), None)

    def add(self, arg: Mapping[str, Any]) -> None:
        self.args[json.dumps(arg, sort_keys=True)] = arg

    def remove(self, arg: Mapping[str, Any]) -> None:
        self.args.pop(json.dumps(arg, sort_keys=True), None)

    def listening(self, channel: str, inst_id: str = "") -> Iterator[Mapping[str, Any]]:
        """Its subscriptions to a channel that are about this instrument, or about all."""
        for arg in tuple(self.args.values()):
            if arg["channel"] == channel and arg.get("instId", inst_id) == inst_id:
                yield arg

    def push(self, arg: Mapping[str, Any], data: list[Any]) -> None:
        """Data of a channel, through the faults: of `orders`, or of `tickers:BTC-USDT`."""
        account = self.account
        private = account is not None and not public(arg["channel"])
        name = arg["channel"] if private else f"{arg['channel']}:{arg.get('instId', '')}"
        self.tell(name, {"arg": dict(arg), "data": data}, account.api_key if account and private else "")

    async def _read_all(self, answer: Callable[[Self, dict[str, Any]], None]) -> None:
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                continue
            if message.data == PING:
                self._put(PONG)
                continue
            try:
                read = json.loads(message.data)
            except ValueError:
                read = None
            answer(self, read if isinstance(read, dict) else {})


def public(channel: str) -> bool:
    return channel in {"tickers", "books5", "bbo-tbt"}
