"""One plain page by Scrapy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from scrapy import Request, Spider
from scrapy.http import Response

from apps.sources.adapters.guarded import GuardedClient
from apps.sources.adapters.pages.crawler import Page
from apps.sources.adapters.scrapy_guard import run_spider
from tradebot.contracts.errors import TransientError

_ACCEPT = "text/html, application/xhtml+xml, */*;q=0.5"


def read_page(client: GuardedClient, url: str, headers: Mapping[str, str]) -> Page:
    """The page at `url`, whatever its status. Raises what the client raises."""
    page = run_spider(_PageSpider, client, url=url, headers=dict(headers)).page
    if page is None:
        raise TransientError("the page could not be read")
    return page


class _PageSpider(Spider):
    name = "page"

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        super().__init__()
        self._url = url
        self._headers = {"Accept": _ACCEPT, **headers}
        self.page: Page | None = None

    async def start(self) -> AsyncIterator[Request]:
        yield Request(self._url, headers=self._headers, callback=self.parse, dont_filter=True)

    def parse(self, response: Response, **_: object) -> None:
        given = {name: (response.headers.get(name) or b"").decode("latin-1") for name in ("ETag", "Last-Modified")}
        kind = (response.headers.get("Content-Type") or b"").decode("latin-1")
        self.page = Page(response.status, response.body, kind, response.url, given["ETag"], given["Last-Modified"])
