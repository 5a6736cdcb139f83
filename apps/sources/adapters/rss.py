"""RSS and Atom feeds as posts."""

from __future__ import annotations

import calendar
import hashlib
import io
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import feedparser
from django.conf import settings

from apps.sources import selectors
from apps.sources.adapters.guarded import Fetched, GuardedClient
from apps.sources.domain.address import read_url
from apps.sources.domain.clean import storable, visible
from apps.sources.domain.intake import MEDIA_LIMIT, TEXT_LIMIT, is_link
from tradebot.contracts.errors import NotConfigured, PermanentError, UnsafeAddress
from tradebot.contracts.messages import CrawlerMessage

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_ENTRIES = 200
_NAME_LIMIT = 200
_FEED_BYTES = 4 * 1024 * 1024
"""feedparser takes seconds for each hostile megabyte."""
_REFERENCE = re.compile(rb"&#([xX][0-9a-fA-F]+|[0-9]+);?")
_LONGEST_REFERENCE = 12
_HEADERS = {"Accept": "application/atom+xml, application/rss+xml, application/xml;q=0.9, */*;q=0.5"}


class FeedCrawler:
    """Polls one feed. Config: `url`, `name` (the channel of its posts), `state` (what `state` was after the last run).

    An entry is told apart by its guid, else its link, else a hash of its words. One without a date counts as old as
    the poll before, or as the epoch on the first poll: what can't be dated must not look fresh.
    """

    name = "rss"

    def __init__(self, client: GuardedClient | None = None) -> None:
        self._client = client
        self.state: dict[str, Any] = {}

    def init(self, config: Mapping[str, Any]) -> None:
        """Raises NotConfigured without a usable url."""
        self._client = self._client or GuardedClient(allow=settings.GUARDED_ALLOW, byte_limit=_FEED_BYTES)
        self._url = str(config.get("url") or "")
        self._channel = str(config.get("name") or self._url)[:_NAME_LIMIT]
        try:
            read_url(self._url, settings.GUARDED_ALLOW)
        except UnsafeAddress as error:
            raise NotConfigured(f"url: {error}") from None
        state = config.get("state") or {}
        self.state = dict(state) if state.get("url") == self._url else {}

    def fetch(self) -> Iterable[CrawlerMessage]:
        """Entries of the feed, oldest first; none when the server says that nothing changed."""
        if self._client is None:
            raise NotConfigured("init was not called")
        polled_at = datetime.now(UTC)
        answer = self._client.get(self._url, {**_HEADERS, **self._conditions()})
        messages = [] if answer.status == 304 else self._read(answer)
        self.state = self._next_state(answer, polled_at)
        return messages

    def validate(self, msg: CrawlerMessage) -> bool:
        """Could this feed have written `msg`?"""
        return msg.source == self.name and msg.channel == self._channel and bool(msg.data or msg.media_urls)

    def _conditions(self) -> dict[str, str]:
        known = {"If-None-Match": self.state.get("etag"), "If-Modified-Since": self.state.get("last_modified")}
        return {name: str(value) for name, value in known.items() if value}

    def _next_state(self, answer: Fetched, polled_at: datetime) -> dict[str, Any]:
        same = answer.status == 304
        return {
            "url": self._url,
            "etag": answer.headers.get("etag") or (self.state.get("etag") if same else None),
            "last_modified": answer.headers.get("last-modified") or (self.state.get("last_modified") if same else None),
            "polled_at": polled_at.isoformat(),
        }

    def _read(self, answer: Fetched) -> list[CrawlerMessage]:
        messages = [self._message(entry) for entry in _entries(answer, self._url)]
        return sorted(filter(None, messages), key=lambda message: message.timestamp)

    def _message(self, entry: Any) -> CrawlerMessage | None:
        text, images, link = _text(entry), _images(entry), str(entry.get("link") or "")
        if not text and not images:
            return None
        return CrawlerMessage(
            id=_identity(entry, text),
            root_id=str(uuid4()),
            seen_at=datetime.now(UTC),
            source=self.name,
            type="image" if images else "text",
            data=text,
            media_urls=images,
            timestamp=_moment(entry) or self._undated(),
            author=_author(entry) or self._channel,
            channel=self._channel,
            url=link if is_link(link) else "",
        )

    def _undated(self) -> datetime:
        polled = self.state.get("polled_at")
        return datetime.fromisoformat(polled) if polled else _EPOCH


def _entries(answer: Fetched, base: str) -> list[Any]:
    # As a stream: given bytes, feedparser would try them as the name of a local file. `base` is the address we were
    # given, not where it redirects, so that relative guids stay the same when the feed moves.
    headers = {"content-type": answer.headers.get("content-type", ""), "content-location": base}
    feed = feedparser.parse(io.BytesIO(_REFERENCE.sub(_readable, answer.body)), response_headers=headers)
    if not feed.entries and not feed.get("version"):
        raise PermanentError(f"is no RSS or Atom feed ({feed.get('bozo_exception', 'no feed element')})"[:300])
    return list(feed.entries[:_MOST_ENTRIES])


def _readable(reference: re.Match[bytes]) -> bytes:
    """The reference, or nothing where it means no character: on such a one feedparser gives up the whole feed."""
    digits = reference[1].lower()
    if len(digits) > _LONGEST_REFERENCE:
        return b""
    code = int(digits[1:], 16) if digits.startswith(b"x") else int(digits)
    return reference[0] if 0 < code <= sys.maxunicode and not 0xD800 <= code <= 0xDFFF else b""


def _identity(entry: Any, text: str) -> str:
    given = str(entry.get("id") or entry.get("link") or "").strip()
    if given and len(given) <= _NAME_LIMIT and given.isprintable():
        return given
    return "sha256:" + hashlib.sha256((given or text).encode("utf-8", "replace")).hexdigest()


def _text(entry: Any) -> str:
    contents = entry.get("content") or [{}]
    title = storable(str(entry.get("title") or "")).strip()
    body = storable(str(entry.get("summary") or contents[0].get("value") or "")).strip()
    if not title or body.startswith(title):
        return _cut(body)
    return _cut(f"{title}\n\n{body}".strip())


def _cut(text: str) -> str:
    """As much as an outside item may have."""
    return text.encode()[:TEXT_LIMIT].decode("utf-8", "ignore")


def _author(entry: Any) -> str:
    return visible(str(entry.get("author") or "")).replace("\n", " ")[:_NAME_LIMIT]


def _moment(entry: Any) -> datetime | None:
    parsed = entry.get("published_parsed") or entry.get("updated_parsed")
    try:
        return max(_EPOCH, datetime.fromtimestamp(calendar.timegm(parsed), UTC)) if parsed else None
    except (ValueError, OverflowError, OSError):
        return None


def _images(entry: Any) -> list[str]:
    offered = [link for link in entry.get("links", []) if link.get("rel") == "enclosure"]
    offered += entry.get("media_content", [])
    pictures = [item for item in offered if _is_image(item)] or entry.get("media_thumbnail", [])
    urls = dict.fromkeys(str(item.get("href") or item.get("url") or "") for item in pictures)
    return [url for url in urls if _is_usable(url)][:MEDIA_LIMIT]


def _is_image(item: Mapping[str, Any]) -> bool:
    return str(item.get("type", "")).startswith("image/") or item.get("medium") == "image"


def _is_usable(url: str) -> bool:
    try:
        read_url(url, selectors.allowed_media())
    except UnsafeAddress:
        return False
    return True
