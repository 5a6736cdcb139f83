"""What the tests of Telegram share: the stand-in as a process, and crawlers that look at it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from apps.sources import telegram_sessions
from apps.sources.adapters.telegram.client import limits_of
from apps.sources.adapters.telegram.config import TelegramConfig, read_config
from apps.sources.adapters.telegram.crawler import TelegramCrawler
from apps.sources.adapters.telegram.login import Questions, log_in
from apps.sources.adapters.telegram.preview import _limits
from tests.outside.telegram.process import OutsideTelegram, outside_telegram
from tradebot import valkey

PHONE = "4915100000000"
CODE = "12345"
API_HASH = "obviously-made-up-hash"
API: dict[str, Any] = {"api_id": 4242, "api_hash": API_HASH}

Crawlers = Callable[..., TelegramCrawler]


@pytest.fixture(scope="session")
def outside() -> Iterator[OutsideTelegram]:
    with outside_telegram() as running:
        yield running


@pytest.fixture
def telegram(outside: OutsideTelegram, settings: Any) -> OutsideTelegram:
    """An empty Telegram that operators vouch for, and no memory of what was asked of it before."""
    outside.do("forget")
    settings.GUARDED_ALLOW = outside.endpoints
    settings.MEDIA_ALLOW = outside.endpoints[:1]
    for limits in (_limits, limits_of):
        limits.cache_clear()
    connection: Any = valkey.client()
    for key in connection.scan_iter("tradebot:*telegram*"):
        connection.delete(key)
    return outside


@pytest.fixture
def crawler(telegram: OutsideTelegram) -> Crawlers:
    """A crawler of @sample; `state` and any setting may be given."""

    def make(state: dict[str, Any] | None = None, **settings: Any) -> TelegramCrawler:
        made = TelegramCrawler()
        client = {"server": telegram.mtproto, "server_key": telegram.key, **API}
        asked = {"channel": "sample", "preview_base": telegram.preview, **settings}
        wanted = {**client, **asked} if asked.get("mode") != "preview" else asked
        made.init({**wanted, "name": "telegram:sample", "url": "", "state": state or {}})
        return made

    return make


@pytest.fixture
def logged_in(telegram: OutsideTelegram, db: None) -> None:
    """An account's session is stored, as after `manage.py telegram_login`. One login serves until it is ended."""
    if telegram.login is None:
        telegram.do("account", phone=PHONE, code=CODE)
        telegram.login = asyncio.run(log_in(_config(telegram), Questions(lambda: f"+{PHONE}", lambda: CODE, str)))
        # What a person did is no part of what a test looks at.
        telegram.do("forget")
    telegram_sessions.save_session(name="default", account=telegram.login.account, session=telegram.login.session)


def _config(telegram: OutsideTelegram) -> TelegramConfig:
    server = {"server": telegram.mtproto, "server_key": telegram.key}
    return read_config({"channel": "sample", "mode": "client", **server, **API})
