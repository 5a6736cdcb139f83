"""Web pages as posts: plain ones, and those that only a browser can read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from celery.signals import worker_process_shutdown

from apps.sources.adapters.pages import browser as browsers
from apps.sources.adapters.pages.browser import Browser, Visit
from apps.sources.adapters.pages.crawler import PageCrawler
from apps.sources.adapters.pages.processes import members
from apps.sources.adapters.registry import queue_of
from apps.sources.selectors import SourceView
from tests.apps.sources.servers import Server
from tests.outside.hostile.process import Hostile
from tests.outside.hostile.process import running as hostile_running
from tests.outside.launch import launched
from tradebot.contracts.errors import NotConfigured, PermanentError, TransientError, UnsafeAddress
from tradebot.contracts.messages import CrawlerMessage
from workers import crawl as crawling
from workers import warmup

LIST = {"item": "article", "title": "h2", "text": "p", "id": "::attr(data-id)", "author": ".by"}


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with launched("pages") as address:
        yield address


@pytest.fixture(scope="module", autouse=True)
def _no_browser_stays() -> Iterator[None]:
    yield
    browsers.close_browser()


def crawler(url: str, settings: Any, state: dict[str, Any] | None = None, **config: Any) -> PageCrawler:
    endpoint = url.split("/")[2]
    settings.GUARDED_ALLOW = settings.MEDIA_ALLOW = [endpoint]
    made = PageCrawler()
    made.init({"name": "sample-page", "url": url, "state": state or {}, **LIST, **config})
    return made


def read(made: PageCrawler) -> list[CrawlerMessage]:
    return list(made.fetch())


# --- plain pages -----------------------------------------------------------------------------------------------------


def test_items_become_posts_oldest_first(site: str, settings: Any) -> None:
    first, second = read(crawler(f"{site}/news", settings, image="img"))

    assert (first.id, first.data, first.author) == ("p-1", "Sample headline 1\n\nWords of item 1.", "desk")
    assert (first.source, first.channel, first.type) == ("web", "sample-page", "image")
    assert (first.url, first.media_urls) == (f"{site}/posts/1", [f"{site}/chart.png?n=1"])
    assert first.timestamp == datetime(2023, 7, 1, 9, tzinfo=UTC)
    assert second.id == "p-2"


def test_an_item_without_selectors_gives_its_words_and_its_link(site: str, settings: Any) -> None:
    settings.GUARDED_ALLOW = [site.removeprefix("http://")]
    made = PageCrawler()
    made.init({"name": "sample-page", "url": f"{site}/news", "item": "article"})

    [first, _] = read(made)

    assert first.data == "Sample headline 1 a while ago desk Words of item 1."
    assert (first.id, first.url, first.author) == (f"{site}/posts/1", f"{site}/posts/1", "sample-page")


def test_an_edited_item_is_a_new_revision(site: str, settings: Any) -> None:
    made = crawler(f"{site}/edited", settings)
    before = read(made)
    after = read(crawler(f"{site}/edited", settings, made.state))

    assert [post.revision for post in before] == [0, 0]
    assert (after[0].revision > 0, after[1].revision) == (True, 0)
    assert (after[0].id, after[0].timestamp) == (before[0].id, before[0].timestamp)


@pytest.mark.parametrize("path", ["cached", "news"])
def test_a_page_that_did_not_change_gives_nothing(site: str, settings: Any, path: str) -> None:
    made = crawler(f"{site}/{path}", settings)
    assert len(read(made)) == 2

    assert read(crawler(f"{site}/{path}", settings, made.state)) == []


def test_pages_in_old_encodings_and_at_new_addresses_are_read(site: str, settings: Any) -> None:
    assert "样本" in read(crawler(f"{site}/old", settings))[0].data
    assert len(read(crawler(f"{site}/moved", settings))) == 2


def test_a_page_without_its_list_says_so(site: str, settings: Any) -> None:
    with pytest.raises(PermanentError, match="'article'; has its design changed"):
        read(crawler(f"{site}/empty", settings))


@pytest.mark.parametrize(("status", "error"), [(404, PermanentError), (503, TransientError)])
def test_the_servers_no_is_the_crawls(server: Server, settings: Any, status: int, error: type[Exception]) -> None:
    with pytest.raises(error, match=str(status)):
        read(crawler(server.give("/a", status=status), settings))


def test_what_is_no_text_has_no_list(server: Server, settings: Any) -> None:
    with pytest.raises(PermanentError):
        read(crawler(server.give("/a", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), Content_Type="image/png"), settings))


def test_a_page_larger_than_it_may_be_is_refused(server: Server, settings: Any) -> None:
    with pytest.raises(PermanentError, match="larger"):
        read(crawler(server.give("/a", b"x" * 10_000), settings, max_bytes=5_000))


TIMES = {
    "01.07.2023 14:00": ("%d.%m.%Y %H:%M", "Europe/Berlin", datetime(2023, 7, 1, 12, tzinfo=UTC)),
    "2023-07-01T14:00:00Z": ("", "UTC", datetime(2023, 7, 1, 14, tzinfo=UTC)),
    "2023-07-01 14:00": ("", "Asia/Shanghai", datetime(2023, 7, 1, 6, tzinfo=UTC)),
    "yesterday": ("", "UTC", datetime(1970, 1, 1, tzinfo=UTC)),
}


@pytest.mark.parametrize("text", TIMES)
def test_times_are_read_as_the_page_writes_them(server: Server, settings: Any, text: str) -> None:
    pattern, zone, moment = TIMES[text]
    url = server.give("/a", f"<article><h2>A</h2><time>{text}</time></article>".encode(), Content_Type="text/html")

    [post] = read(crawler(url, settings, time_format=pattern, time_zone=zone))

    assert post.timestamp == moment


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"item": "a[["}, "item"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"max_items": 0}, "max_items"),
        ({"colour": "red"}, "colour"),
        ({"url": "http://127.0.0.1:1/"}, "url"),
        ({"url": "file:///etc/passwd"}, "url"),
    ],
)
def test_a_wrong_setting_is_named(config: dict[str, Any], field: str) -> None:
    with pytest.raises(NotConfigured, match=field):
        PageCrawler().init({"name": "x", "url": "https://news.example/", **LIST, **config})


def test_pages_that_need_a_browser_have_a_queue_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def page(**config: object) -> SourceView:
        view: Any = SourceView.__new__(SourceView)
        for name, value in {"name": "x", "kind": "web", "config": config, "interval_seconds": 60}.items():
            object.__setattr__(view, name, value)
        return view  # type: ignore[no-any-return]

    sent: list[str] = []
    monkeypatch.setattr(crawling, "crawl_due", lambda: [page(render=True), page(), page(render=False)])
    monkeypatch.setattr(crawling.run, "apply_async", lambda *_, **given: sent.append(given["routing_key"]))

    assert crawling.start_due() == 3

    assert sent == ["now.browser", "now.crawl", "now.crawl"]
    assert queue_of(page(render=True)) == "browser"


# --- pages that need JavaScript, in the real browser -----------------------------------------------------------------


def test_a_list_made_by_scripts_is_read(site: str, settings: Any) -> None:
    first, second = read(crawler(f"{site}/script", settings, render=True, wait_for="article + article"))

    assert first.data.startswith("Sample headline 1 by script")
    assert (first.id, second.id, first.url) == ("p-1", "p-2", f"{site}/posts/1")
    with pytest.raises(PermanentError):
        read(crawler(f"{site}/script", settings))


def test_a_browser_is_used_for_many_pages_and_then_renewed(
    site: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browsers, "PAGES_PER_BROWSER", 2)
    browsers.close_browser()
    sessions = []
    for _ in range(3):
        read(crawler(f"{site}/script", settings, render=True, wait_for="article"))
        sessions.append(browsers.browser().session)

    assert sessions[0] == sessions[1] != sessions[2]
    assert _gone(sessions[0])


@pytest.fixture(scope="module")
def hostile() -> Iterator[Hostile]:
    with hostile_running() as state:
        yield state


@pytest.fixture
def own() -> Iterator[Browser]:
    made = Browser()
    yield made
    made.close()


@pytest.mark.parametrize("path", ["/hang", "/slow"])
def test_a_page_that_never_ends_is_killed_with_its_browser(own: Browser, hostile: Hostile, path: str) -> None:
    allow = frozenset({hostile.endpoint})
    own.render(Visit(hostile.url("/late"), wait_for=".x", allow=allow))
    session = own.session
    started = time.monotonic()

    with pytest.raises(TransientError, match=r"not ready within 3 s|browser failed"):
        own.render(Visit(hostile.url(path), allow=allow, time_limit=3))

    assert time.monotonic() - started < 30
    assert _gone(session)
    assert '<p class="x">made</p>' in own.render(Visit(hostile.url("/late"), wait_for=".x", allow=allow)).html


def test_a_page_that_never_shows_what_it_should_says_so(own: Browser, hostile: Hostile) -> None:
    with pytest.raises(TransientError, match=r"did not show '\.never' within 8 s"):
        own.render(Visit(hostile.url("/late"), wait_for=".never", allow=frozenset({hostile.endpoint}), time_limit=8))


def test_a_page_that_scripts_make_huge_is_refused(own: Browser, hostile: Hostile) -> None:
    with pytest.raises(PermanentError, match="larger"):
        own.render(Visit(hostile.url("/big"), wait_for=".x", allow=frozenset({hostile.endpoint}), byte_limit=100_000))


def test_a_missing_page_is_an_error_in_the_browser_too(own: Browser, hostile: Hostile) -> None:
    with pytest.raises(PermanentError, match="404"):
        own.render(Visit(hostile.url("/nowhere"), allow=frozenset({hostile.endpoint})))


def test_a_page_script_reaches_no_endpoint_that_is_open_to_others(
    server: Server, canary: Server, settings: Any
) -> None:
    canary.give("/key", b"secret")
    tried = "document.body.insertAdjacentHTML('beforeend', '<i class=tried></i>')"
    script = f"<script>fetch('{canary.url('/key')}', {{mode: 'no-cors'}}).finally(() => {tried})</script>"
    url = server.give("/a", f"<body><article>A</article>{script}</body>".encode(), Content_Type="text/html")
    settings.GUARDED_ALLOW = [server.endpoint, canary.endpoint]
    made = PageCrawler()
    made.init({"name": "sample", "url": url, "item": "article", "render": True, "wait_for": ".tried"})

    assert len(read(made)) == 1

    assert canary.connections == 0
    assert canary.endpoint in made.notes["refused"]


STARTS = """
import django; django.setup()
from apps.sources.adapters.pages.browser import Visit, browser
browser().render(Visit("{url}", wait_for=".x", allow=frozenset({{"{endpoint}"}})))
print(browser().session, flush=True)
input()
"""


def test_a_worker_that_is_killed_leaves_no_browser(hostile: Hostile) -> None:
    script = STARTS.format(url=hostile.url("/late"), endpoint=hostile.endpoint)
    environment = os.environ | {"PYTHONPATH": str(Path.cwd()), "LOG_FORMAT": "json"}
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as worker:
        assert worker.stdout is not None
        lines = iter(worker.stdout.readline, "")
        session = next(int(line) for line in lines if line.strip().isdigit())
        assert list(members(session))

        worker.send_signal(signal.SIGKILL)
        worker.wait()

    assert _gone(session)


def test_a_worker_that_ends_ends_its_browser(hostile: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    own = browsers.browser()
    own.render(Visit(hostile.url("/late"), wait_for=".x", allow=frozenset({hostile.endpoint})))
    session = own.session
    monkeypatch.setattr(warmup, "_queues", lambda: {"browser"})

    worker_process_shutdown.send(sender=None, pid=os.getpid(), exitcode=0)

    assert _gone(session)
    assert browsers.browser() is not own


def test_without_a_browser_the_reason_is_said(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.sources.adapters.pages.chromium.which", lambda name: None)
    made = Browser()

    with pytest.raises(NotConfigured, match="chromium"):
        made.render(Visit("https://news.example/"))
    made.close()


def test_an_inner_page_is_refused_before_a_browser_starts(own: Browser) -> None:
    with pytest.raises(UnsafeAddress):
        own.render(Visit("http://10.0.0.1/"))

    assert own.session is None


def _gone(session: int | None) -> bool:
    assert session is not None
    return _within(10, lambda: not list(members(session)))


def _within(seconds: float, happened: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not happened() and time.monotonic() < until:
        time.sleep(0.05)
    return happened()
