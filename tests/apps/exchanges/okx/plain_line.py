"""A websocket of OKX by hand, for what ccxt.pro hides."""

from __future__ import annotations

import json
import time
from typing import Any, Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from apps.exchanges.paper.okx.auth import passphrase, signature
from tests.apps.exchanges.paper_process import PaperProcess

SECONDS = 20.0


class Plain:
    """Logged in when it is given keys."""

    def __init__(self, paper: PaperProcess, keys: tuple[str, str] | None = None) -> None:
        self._keys = keys
        self._connecting = connect(f"{paper.url.replace('http', 'ws')}/ws/v5/private")

    def __enter__(self) -> Self:
        self._socket = self._connecting.__enter__()
        if self._keys:
            self.login(self._keys)
            assert self.read()["code"] == "0"
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, message: Any) -> None:
        self._socket.send(json.dumps(message))

    def read(self) -> Any:
        try:
            return json.loads(self._socket.recv(SECONDS))
        except ConnectionClosed:
            raise ConnectionError("the exchange cut the connection") from None

    def login(self, keys: tuple[str, str], **changed: str) -> None:
        sent = str(int(time.time()))
        sign = signature(keys[1].encode(), f"{sent}GET/users/self/verify")
        given = {"apiKey": keys[0], "passphrase": passphrase(keys[1]), "timestamp": sent, "sign": sign}
        self.send({"op": "login", "args": [given | changed]})

    def subscribe(self, *channels: str) -> None:
        self.send({"op": "subscribe", "args": [{"channel": name, "instType": "SPOT"} for name in channels]})
        for _ in channels:
            assert self.read()["event"] == "subscribe"

    def data(self) -> tuple[str, Any]:
        """The next event's channel and row."""
        told = self.read()
        return told["arg"]["channel"], told["data"][0]
