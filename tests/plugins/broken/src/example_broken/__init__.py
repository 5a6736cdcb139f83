"""Crawlers with a bug each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tradebot.contracts.messages import CrawlerMessage
from tradebot.contracts.ports import Emit


class InFetch:
    name = "in_fetch"

    def init(self, config: Mapping[str, Any]) -> None:
        """Nothing to set."""

    def fetch(self) -> Iterable[CrawlerMessage]:
        raise RuntimeError("bug in fetch")

    def validate(self, msg: CrawlerMessage) -> bool:
        return True


class InInit(InFetch):
    name = "in_init"

    def init(self, config: Mapping[str, Any]) -> None:
        raise RuntimeError("bug in init")


class InListen(InFetch):
    name = "in_listen"

    def fetch(self) -> Iterable[CrawlerMessage]:
        return []

    async def listen(self, emit: Emit) -> None:
        raise RuntimeError("bug in listen")
