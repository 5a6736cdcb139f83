"""Channels through the crawl stage: rows, broker, deletions, and the pictures that the OCR stage gets."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from django.db import connection
from PIL import Image

from apps.sources import services
from apps.sources.adapters.media import MediaClients, fetch
from apps.sources.models import Post, Source
from tests.apps.sources.telegram.conftest import API
from tests.outside.telegram.process import OutsideTelegram
from tradebot.contracts.messages import CrawlerMessage
from workers.crawl import session
from workers.streams.listeners import Listener, Wanted
from workers.streams.threads import Threads

pytestmark = pytest.mark.django_db(transaction=True)


class Broker:
    """Takes posts and records them, as the clean stage would."""

    def __init__(self) -> None:
        self.taken: list[CrawlerMessage] = []

    def publish(self, messages: Sequence[CrawlerMessage]) -> None:
        self.taken += messages
        services.record_posts(messages)


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def source(telegram: OutsideTelegram, monkeypatch: pytest.MonkeyPatch) -> Source:
    monkeypatch.setenv("SAMPLE_TELEGRAM_HASH", API["api_hash"])
    monkeypatch.setenv("SAMPLE_TELEGRAM_KEY", telegram.key)
    config = {
        "channel": "sample",
        "preview_base": telegram.preview,
        "api_id": API["api_id"],
        "api_hash": "env:SAMPLE_TELEGRAM_HASH",
        "server": telegram.mtproto,
        "server_key": "env:SAMPLE_TELEGRAM_KEY",
    }
    return Source.objects.create(name="telegram:sample", kind="telegram", config=config)


def crawl(broker: Broker) -> session.Report:
    return session.run("telegram:sample", broker.publish)


def drawn() -> bytes:
    kept = io.BytesIO()
    Image.new("RGB", (40, 30), "blue").save(kept, "PNG")
    return kept.getvalue()


@pytest.mark.usefixtures("source")
def test_posts_edits_and_deletions_reach_the_rows(telegram: OutsideTelegram, broker: Broker) -> None:
    for text in ("first", "second", "third"):
        telegram.post("sample", text)
    assert crawl(broker).fresh == 3
    telegram.edit("sample", 1, "first, corrected")
    telegram.delete("sample", 2)
    report = crawl(broker)
    assert (report.outcome, report.fresh, report.deleted) == ("ok", 1, 1)
    assert crawl(broker).fresh == 0
    rows = {(row.native_id, row.clean_text): row.deleted_at is not None for row in Post.objects.all()}
    assert rows == {
        ("1", "first"): False,
        ("1", "first, corrected"): False,
        ("2", "second"): True,
        ("3", "third"): False,
    }


@pytest.mark.usefixtures("source")
def test_a_broker_that_fails_loses_nothing(telegram: OutsideTelegram, broker: Broker) -> None:
    telegram.post("sample", "first")

    def broken(messages: Sequence[CrawlerMessage]) -> None:
        raise ConnectionError("no broker")

    session.run("telegram:sample", broken)
    assert Source.objects.get().state == {}
    assert crawl(broker).fresh == 1


@pytest.mark.usefixtures("source")
def test_the_ocr_stage_can_fetch_a_previews_picture(telegram: OutsideTelegram, broker: Broker) -> None:
    (post_id,) = telegram.post("sample", "a chart", photos=1)
    assert crawl(broker).fresh == 1
    (url,) = broker.taken[0].media_urls
    telegram.do("picture", number=int(url.rpartition("/")[2].removesuffix(".jpg")), data=drawn().hex())
    with MediaClients() as clients:
        assert fetch(url, clients.of("telegram", "sample")) == drawn()
    assert broker.taken[0].id == str(post_id)


@pytest.mark.usefixtures("source", "logged_in")
def test_a_sessions_pictures_are_in_the_storage_already(telegram: OutsideTelegram, broker: Broker) -> None:
    telegram.post("sample", "two charts", photos=2)
    assert crawl(broker).fresh == 1
    (album,) = broker.taken
    assert len(album.media_urls) == 2
    assert all(url.startswith("media:") for url in album.media_urls)
    with MediaClients() as clients:
        assert all(fetch(url, clients.of("telegram", "sample")).startswith(b"\x89PNG") for url in album.media_urls)


@pytest.mark.usefixtures("logged_in")
def test_a_failure_stands_in_the_row_without_any_secret(
    telegram: OutsideTelegram, source: Source, broker: Broker
) -> None:
    source.config |= {"mode": "client"}
    source.save()
    telegram.rpc_fails("ResolveUsernameRequest", 401, "SESSION_REVOKED")
    assert crawl(broker).outcome == "failed"
    row = Source.objects.get()
    assert "run manage.py telegram_login again" in row.last_error
    assert API["api_hash"] not in row.last_error


@pytest.fixture
def no_session_left(transactional_db: None) -> Iterator[None]:
    """Threads that are gone leave their database sessions behind; a process that ends takes them along."""
    yield
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.mark.usefixtures("logged_in", "no_session_left")
def test_what_is_pushed_goes_through_the_same_door(telegram: OutsideTelegram, source: Source, broker: Broker) -> None:
    async def scene() -> None:
        threads = Threads()
        listener = Listener(Wanted(source.name, source.kind, "", "{}"), threads, broker.publish)
        task = asyncio.create_task(listener.run())
        async with asyncio.timeout(30):
            while not any(message.data == "a chart" for message in broker.taken):
                telegram.post("sample", "a chart", photos=1)
                await asyncio.sleep(0.3)
        post_id = broker.taken[0].id
        telegram.delete("sample", int(post_id))
        async with asyncio.timeout(30):
            while not await asyncio.to_thread(_is_marked, post_id):  # noqa: ASYNC110 - a row tells nobody
                await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        threads.close()

    asyncio.run(scene())
    assert all(url.startswith("media:") for message in broker.taken for url in message.media_urls)
    taken = len(broker.taken)
    crawl(broker)
    assert {message.id for message in broker.taken[taken:]}.isdisjoint(message.id for message in broker.taken[:taken])


def _is_marked(post_id: str) -> bool:
    try:
        return Post.objects.filter(native_id=post_id, deleted_at__isnull=False).exists()
    finally:
        connection.close()


@pytest.mark.usefixtures("logged_in", "source")
def test_a_flood_wait_puts_the_source_off_until_then(telegram: OutsideTelegram, broker: Broker) -> None:
    telegram.rpc_fails("ResolveUsernameRequest", 420, "FLOOD_WAIT_900")
    assert crawl(broker).outcome == "throttled"
    row: Any = Source.objects.get()
    assert row.failures == 0
    assert row.throttled_until == row.next_run_at
