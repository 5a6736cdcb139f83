"""The X crawler against the local X."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from apps.sources.adapters.x.crawler import XCrawler
from tests.outside.x.process import LocalX, running
from tradebot import valkey


@pytest.fixture(scope="session")
def running_x() -> Iterator[LocalX]:
    with running("--keep-alive", "0.2") as x:
        yield x


@pytest.fixture
def x(running_x: LocalX, settings: Any) -> Iterator[LocalX]:
    """One server for all tests: each has names and a token of its own."""
    settings.GUARDED_ALLOW = [running_x.endpoint]
    running_x.requests(forget=True)
    yield running_x
    running_x.faults()


@pytest.fixture
def name() -> Callable[[str], str]:
    """A name that no other test's account has."""
    tail = uuid4().hex[:6]
    return lambda start: f"{start}_{tail}"


Make = Callable[..., XCrawler]


@pytest.fixture
def make(x: LocalX) -> Make:
    """A crawler with these settings, and the state that it is given back."""
    token = f"token-{uuid4().hex}"

    def made(state: dict[str, Any] | None = None, **config: Any) -> XCrawler:
        crawler = XCrawler()
        given = {"bearer_token": token, "api_base": x.url, **config}
        crawler.init({"name": "twitter", "url": "", "state": state or {}, **given})
        return crawler

    return made


@pytest.fixture(autouse=True)
def _nothing_shared() -> Iterator[None]:
    yield
    client = valkey.client()
    if keys := list(client.scan_iter("tradebot:limit:x:*", count=1000)):
        client.delete(*keys)
