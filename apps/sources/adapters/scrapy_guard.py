"""Scrapy through the guarded client: the only way out that a spider of ours has."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any, TypeVar, cast

from scrapy import Request, Spider, signals
from scrapy.core.downloader.handlers.base import BaseDownloadHandler
from scrapy.crawler import AsyncCrawlerRunner, Crawler
from scrapy.exceptions import DownloadFailedError
from scrapy.http import Headers, Response
from scrapy.responsetypes import responsetypes

from apps.sources.adapters.guarded import GuardedClient
from tradebot.contracts.errors import PermanentError, TradebotError, TransientError

S = TypeVar("S", bound=Spider)

_UNPACKED = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_THREADS = 4
_HANDLER = "apps.sources.adapters.scrapy_guard.GuardedHandler"
_SETTINGS: dict[str, Any] = {
    "TWISTED_REACTOR_ENABLED": False,
    "TELNETCONSOLE_ENABLED": False,
    "LOG_ENABLED": False,
    "LOGSTATS_INTERVAL": 0,
    "MEMUSAGE_ENABLED": False,
    # The client itself refuses every scheme but http and https, with a reason.
    "DOWNLOAD_HANDLERS": dict.fromkeys(("http", "https", "data", "file", "ftp", "s3", "gopher"), _HANDLER),
    # The client follows redirects itself, checking each, and unpacks what it counted; a proxy of the environment would
    # connect for us; cookies, retries and what a status means are the plugin's affair.
    "DOWNLOADER_MIDDLEWARES": {"apps.sources.adapters.scrapy_guard.Unanswered": 1},
    "REDIRECT_ENABLED": False,
    "METAREFRESH_ENABLED": False,
    "COMPRESSION_ENABLED": False,
    "HTTPPROXY_ENABLED": False,
    "COOKIES_ENABLED": False,
    "RETRY_ENABLED": False,
    "ROBOTSTXT_OBEY": False,
    "HTTPERROR_ALLOW_ALL": True,
    "CONCURRENT_REQUESTS": _THREADS,
    "CONCURRENT_REQUESTS_PER_DOMAIN": _THREADS,
    "USER_AGENT": "tradebot/0.1",
}

_crawl: ContextVar[_Crawl] = ContextVar("crawl")

# What goes wrong in a crawl is raised by `run_spider` and stands in the source's row; Scrapy's own words would repeat
# it with a traceback for every post.
logging.getLogger("scrapy").setLevel(logging.CRITICAL)


def run_spider(
    spider: type[S],
    client: GuardedClient,
    *,
    settings: Mapping[str, Any] | None = None,
    time_limit: float = 90.0,
    **arguments: Any,
) -> S:
    """Run one spider to its end in this thread, all its requests through `client`; returns the spider, with whatever it
    gathered. `arguments` go to its constructor. Callbacks see answers of any status.

    Needs no Twisted reactor, so a process may run any number of them. Raises what the first callback, or the client for
    the first request without an errback, raised; TransientError when `time_limit` (seconds) is over.
    """
    crawl = _Crawl(client)
    _crawl.set(crawl)
    found = asyncio.run(_run(spider, crawl, {**_SETTINGS, **(settings or {})}, time_limit, arguments))
    if crawl.failure:
        raise crawl.failure
    return found


class GuardedHandler(BaseDownloadHandler):
    """Scrapy's downloads by the crawl's guarded client. `meta["follow"] = False` gives redirects as they are."""

    lazy = False

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._crawl = _crawl.get()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="scrapy")

    async def download_request(self, request: Request) -> Response:
        """An errback gets DownloadFailedError, whose `__cause__` is the guarded client's own error."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, self._ask, request)
        except TradebotError as error:
            raise DownloadFailedError(str(error)) from error

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ask(self, request: Request) -> Response:
        headers = {_text(name): _text(b", ".join(values)) for name, values in request.headers.items()}
        follow = bool(request.meta.get("follow", True))
        answer = self._crawl.client.ask(request.method, request.url, headers, request.body or None, follow=follow)
        given = Headers({name: value for name, value in answer.headers.items() if name not in _UNPACKED})
        kind = responsetypes.from_args(headers=given, url=answer.url, body=answer.body)
        return kind(url=answer.url, status=answer.status, headers=given, body=answer.body, request=request)


class Unanswered:
    """Downloader middleware: a request that nobody asked after is what the whole run fails with."""

    def __init__(self, crawl: _Crawl) -> None:
        self._crawl = crawl

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Unanswered:
        return cls(_crawl.get())

    def process_exception(self, request: Request, exception: Exception) -> None:
        if request.errback is None:
            cause = exception.__cause__
            self._crawl.failed(cause if isinstance(cause, TradebotError) else PermanentError(str(exception)[:300]))


class _Crawl:
    """One run of a spider: its way out, and the first thing that went wrong."""

    def __init__(self, client: GuardedClient) -> None:
        self.client = client
        self.failure: BaseException | None = None

    def failed(self, error: BaseException) -> None:
        self.failure = self.failure or error

    def broke(self, failure: Any) -> None:
        """What Scrapy's `spider_error` tells."""
        self.failed(failure.value)


async def _run(
    spider: type[S], crawl: _Crawl, settings: dict[str, Any], time_limit: float, arguments: dict[str, Any]
) -> S:
    runner = AsyncCrawlerRunner(settings)
    crawler = runner.create_crawler(spider)
    crawler.signals.connect(crawl.broke, signal=signals.spider_error)
    try:
        await asyncio.wait_for(runner.crawl(crawler, **arguments), time_limit)
    except TimeoutError:
        raise TransientError(f"the crawl did not end within {time_limit:.0f} s") from None
    return cast("S", crawler.spider)


def _text(value: bytes) -> str:
    return value.decode("latin-1")
