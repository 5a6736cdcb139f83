"""What Telegram pushes, through real Telethon: at once, albums whole, edits and deletions too."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from apps.sources.adapters.registry import would_listen
from apps.sources.adapters.telegram.crawler import TelegramCrawler
from tests.apps.sources.telegram.conftest import Crawlers
from tests.outside.telegram.process import OutsideTelegram
from tradebot.contracts.errors import NotConfigured, PermanentError
from tradebot.contracts.messages import CrawlerMessage
from tradebot.contracts.ports import Deletion

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("logged_in")]

PATIENCE = 20.0


class Heard:
    """Everything that was emitted, and a way to wait for it."""

    def __init__(self) -> None:
        self.messages: list[CrawlerMessage] = []
        self.gone: list[str] = []
        self._more = asyncio.Event()

    async def emit(self, messages: Sequence[CrawlerMessage], deletions: Sequence[Deletion]) -> None:
        self.messages += messages
        self.gone += [deletion.native_id for deletion in deletions]
        self._more.set()

    async def until(self, is_enough: Any) -> None:
        async with asyncio.timeout(PATIENCE):
            while not is_enough(self):
                await self._more.wait()
                self._more.clear()


async def listening(telegram: OutsideTelegram, *crawlers: TelegramCrawler) -> tuple[Heard, list[asyncio.Task[None]]]:
    """Returns when Telegram would push to them."""
    heard = Heard()
    tasks = [asyncio.create_task(crawler.listen(heard.emit)) for crawler in crawlers]
    async with asyncio.timeout(PATIENCE):
        while not heard.messages:
            telegram.post("sample", "is anybody there?")
            await asyncio.sleep(0.2)
            for task in tasks:
                if task.done():
                    task.result()
    return heard, tasks


async def ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def client(crawler: Crawlers, **settings: Any) -> TelegramCrawler:
    return crawler(mode="client", **settings)


def test_posts_edits_and_deletions_are_pushed(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    async def scene() -> None:
        heard, tasks = await listening(telegram, client(crawler))
        (post_id,) = telegram.post("sample", "pushed")
        await heard.until(lambda now: any(message.data == "pushed" for message in now.messages))
        telegram.edit("sample", post_id, "pushed, corrected")
        await heard.until(lambda now: any(message.data == "pushed, corrected" for message in now.messages))
        telegram.delete("sample", post_id)
        await heard.until(lambda now: str(post_id) in now.gone)
        versions = [message for message in heard.messages if message.id == str(post_id)]
        assert [message.revision > 0 for message in versions] == [False, True]
        await ended(tasks)

    async_to_sync(scene)()


def test_an_album_is_pushed_whole_with_its_pictures(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    async def scene() -> None:
        watching = client(crawler)
        heard, tasks = await listening(telegram, watching)
        first, *others = telegram.post("sample", "two charts", photos=2)
        await heard.until(lambda now: any(message.data == "two charts" for message in now.messages))
        album = next(message for message in heard.messages if message.data == "two charts")
        assert (album.id, len(album.media_urls), album.type) == (str(first), 2, "image")
        assert not any(message.id == str(others[0]) for message in heard.messages)
        telegram.edit("sample", first, "two charts, explained")
        await heard.until(lambda now: any(message.data == "two charts, explained" for message in now.messages))
        edited = heard.messages[-1]
        assert (edited.id, len(edited.media_urls)) == (str(first), 2)
        await ended(tasks)

    async_to_sync(scene)()


def test_a_pushed_post_and_a_polled_one_are_the_same(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    async def scene() -> list[tuple[str, int]]:
        heard, tasks = await listening(telegram, client(crawler))
        (post_id,) = telegram.post("sample", "pushed")
        telegram.edit("sample", post_id, "pushed, corrected", at="2026-07-09T08:00:00+00:00")
        await heard.until(lambda now: any(message.data == "pushed, corrected" for message in now.messages))
        await ended(tasks)
        return [(message.id, message.revision) for message in heard.messages if message.data == "pushed, corrected"]

    pushed = async_to_sync(scene)()
    polled = [(message.id, message.revision) for message in client(crawler).fetch() if "corrected" in message.data]
    assert pushed == polled


def test_channels_of_one_session_share_one_connection(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    async def scene() -> None:
        telegram.post("second", "another channel")
        heard, tasks = await listening(telegram, client(crawler), client(crawler, channel="second"))
        telegram.post("second", "pushed there")
        await heard.until(lambda now: any(message.data == "pushed there" for message in now.messages))
        there = next(message for message in heard.messages if message.data == "pushed there")
        assert there.channel == "second"
        assert telegram.seen()["calls"].count("GetConfigRequest") == 1
        await ended(tasks)

    async_to_sync(scene)()


def test_a_session_that_telegram_forgot_asks_for_a_new_login(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    async def scene() -> None:
        _, (task,) = await listening(telegram, client(crawler))
        telegram.do("lose_keys")
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(NotConfigured, match=r"run manage\.py telegram_login again"):
                await task

    async_to_sync(scene)()


def test_a_dropped_connection_is_made_again(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    async def scene() -> None:
        heard, tasks = await listening(telegram, client(crawler))
        telegram.do("drop_connections")
        async with asyncio.timeout(PATIENCE):
            while not any(message.data == "after the cut" for message in heard.messages):
                telegram.post("sample", "after the cut")
                await asyncio.sleep(0.3)
        await ended(tasks)

    async_to_sync(scene)()


def test_a_channel_that_was_not_joined_is_left_to_polling(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("sample", "words")
    telegram.do("channel", name="sample", left=True)
    with pytest.raises(NotConfigured, match="has not joined @sample"):
        async_to_sync(client(crawler).listen)(Heard().emit)
    assert [message.data for message in client(crawler).fetch()] == ["words"]


def test_a_renamed_channel_is_refused(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("sample", "words")
    watching = client(crawler)
    list(watching.fetch())
    telegram.do("channel", name="sample", username="renamed")
    with pytest.raises(PermanentError, match="is called @renamed now"):
        async_to_sync(watching.listen)(Heard().emit)


@pytest.mark.parametrize(
    ("wrote", "expected"),
    [
        ({"channel": "sample"}, False),
        ({"channel": "sample", "api_id": 1, "api_hash": "env:X"}, True),
        ({"channel": "sample", "api_id": 1, "api_hash": "env:X", "mode": "preview"}, False),
    ],
)
def test_a_preview_is_not_listened_to(wrote: dict[str, Any], expected: bool) -> None:
    assert would_listen("telegram", wrote) is expected


def test_only_a_client_is_pushed_to(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    with pytest.raises(NotConfigured, match="only a client is pushed to"):
        async_to_sync(crawler(mode="preview").listen)(Heard().emit)
