"""The Scrapy spider that fetches a preview's pages one after the other."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

from scrapy import Request, Spider
from scrapy.http import Response

from apps.sources.adapters.limits import SharedLimits
from apps.sources.adapters.telegram.page import read_page
from apps.sources.adapters.telegram.walk import Walk
from tradebot.contracts.errors import PermanentError, TransientError

ENDPOINT = "t.me preview"
_HEADERS = {"Accept-Language": "en", "Accept": "text/html"}
_MOVED = frozenset({301, 302, 303, 307, 308})


class PreviewSpider(Spider):
    """One channel's walk: answers go to it, and it says which page is next. What it raises ends the crawl: Throttled
    after a 429, noted for all workers behind this address."""

    name = "telegram"

    def __init__(self, walk: Walk, limits: SharedLimits, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.walk = walk
        self.limits = limits

    async def start(self) -> AsyncIterator[Any]:
        """The newest page."""
        yield self._request()

    def parse(self, response: Response, **kwargs: Any) -> Iterator[Request]:
        """One page: noted, and the next one asked for."""
        if response.status == 429:
            raise self.limits.refused(ENDPOINT, _reset(_header(response, "Retry-After")))
        _check_answer(response, self.walk.memory.channel)
        if self.walk.take(read_page(response.body, self.walk.memory.channel, response.url)):
            yield self._request()

    def _request(self) -> Request:
        return Request(self.walk.url, headers=_HEADERS, meta={"follow": False}, dont_filter=True)


def _check_answer(response: Response, channel: str) -> None:
    status = response.status
    if status in _MOVED:
        raise PermanentError(_moved(urljoin(response.url, _header(response, "Location")), channel))
    if status >= 500 or status == 408:
        raise TransientError(f"the server answered {status}")
    if status != 200:
        raise PermanentError(f"the server answered {status}")


def _moved(target: str, channel: str) -> str:
    name = [part for part in urlsplit(target).path.split("/") if part and part != "s"]
    if len(name) == 1 and name[0].casefold() == channel.casefold():
        return (
            f"@{channel} has no public preview: there is no such channel, or it is private, a group or a bot. A public "
            "channel whose owner has switched its preview off can be read in client mode"
        )
    shown = f"@{name[0][:60]}" if len(name) == 1 else target[:200]
    return f"@{channel} leads to {shown} now; nothing of that is taken. If it was renamed, change the channel's name"


def _reset(retry_after: str) -> float | None:
    return time.time() + int(retry_after) if retry_after.isdigit() and len(retry_after) < 8 else None


def _header(response: Response, name: str) -> str:
    value = response.headers.get(name) or b""
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
