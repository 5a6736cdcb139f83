"""The stand-in as a process of its own, and the door through which tests change what it shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.outside.launch import launched


class OutsideTelegram:
    """A running stand-in. `preview`: its address; `mtproto`: host:port; `key`: the RSA key to trust there."""

    def __init__(self, told: dict[str, str]) -> None:
        self.preview = told["preview"]
        self.mtproto = told["mtproto"]
        self.key = told["key"]
        self.login: Any = None
        """What a test has logged in as, until Telegram ends it."""
        self._door = httpx.Client(base_url=self.preview)

    @property
    def endpoints(self) -> list[str]:
        """For GUARDED_ALLOW."""
        return [urlsplit(self.preview).netloc, self.mtproto]

    def do(self, what: str, **fields: Any) -> Any:
        if what in {"end_sessions", "lose_keys"}:
            self.login = None
        return self._door.post("/control", json={"do": what, **fields}).raise_for_status().json()

    def post(self, channel: str, text: str = "", **fields: Any) -> list[int]:
        made: list[int] = self.do("post", name=channel, text=text, **fields)
        return made

    def edit(self, channel: str, message_id: int, text: str, **fields: Any) -> None:
        self.do("edit", name=channel, message_id=message_id, text=text, **fields)

    def delete(self, channel: str, *ids: int) -> None:
        self.do("delete", name=channel, ids=list(ids))

    def preview_fails(self, *faults: dict[str, Any]) -> None:
        """What the next answers of the preview are, one each."""
        self.do("faults", at="preview", faults=list(faults))

    def rpc_fails(self, method: str, code: int, message: str) -> None:
        """What the next call of a method is answered with."""
        self.do("faults", at="rpc", faults=[{"method": method, "code": code, "message": message}])

    def seen(self) -> dict[str, list[str]]:
        """Requests of the preview and calls of MTProto so far."""
        told: dict[str, list[str]] = self.do("seen")
        return told

    def close(self) -> None:
        self._door.close()


@contextmanager
def outside_telegram() -> Iterator[OutsideTelegram]:
    """A fresh Telegram without channels."""
    with launched("telegram") as line:
        telegram = OutsideTelegram(json.loads(line))
        try:
            yield telegram
        finally:
            telegram.close()
