"""Reads posts that come from outside (push API, JSONL file) and names the field that is wrong."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec

from apps.sources.domain.address import URL_LIMIT, read_url
from apps.sources.domain.clean import RAW_LIMIT, storable
from tradebot.contracts.errors import InvalidField, UnsafeAddress
from tradebot.contracts.messages import CrawlerMessage, to_wire

TEXT_LIMIT = RAW_LIMIT
"""Bytes of UTF-8 that one post's text may have."""
MEDIA_LIMIT = 10
PUBLIC_SOURCES = frozenset({"twitter", "telegram", "rss", "web"})
"""Sources that everybody's strategies may watch; crawlers that packages bring add to them."""
_REVISION_LIMIT = 2**63 - 1
_ROOT_LIMIT = 200
_REQUIRED = ("source", "type", "data", "timestamp", "id", "author")
_KNOWN = {*_REQUIRED, "media_urls", "url", "revision", "channel"}
_UNREADABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_MEDIA_ID = re.compile(r"^media:[0-9a-f]{64}$")
_YEARS = range(1970, 9999)


def read_line(line: bytes) -> Mapping[str, Any]:
    """One line of a JSONL file as a mapping. Raises InvalidField on `line`."""
    try:
        line.decode()
        raw = msgspec.json.decode(line)
    except UnicodeDecodeError as error:
        raise InvalidField("line", f"is not UTF-8 at byte {error.start}; save the file as UTF-8") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidField("line", f"is not JSON ({error}); write one object a line") from None
    if not isinstance(raw, dict):
        raise InvalidField("line", f"must be a JSON object, not {_kind(raw)}")
    return raw


def read_crawler_message(
    raw: Mapping[str, Any],
    *,
    allowed_sources: Collection[str],
    now: datetime,
    trust: bool = False,
    allow_media: Collection[str] = (),
) -> CrawlerMessage:
    """An outside item as a new sighting: it gets its own `root_id`, `seen_at` is `now`, keys that are not the
    sender's to set are ignored. `trust`: an operator's file, whose `media_urls` may name local files. `allow_media`:
    `host:port` endpoints that media may come from although they are inner ones.

    Raises InvalidField naming the field.
    """
    _check_present(raw)
    given = {key: raw[key] for key in _KNOWN & raw.keys()}
    given["timestamp"] = _moment(raw["timestamp"])
    message = _convert({**given, "root_id": str(uuid4()), "seen_at": now})
    return _checked(message, allowed_sources, trust=trust, allow=allow_media)


def check_crawled(
    message: CrawlerMessage,
    *,
    allowed_sources: Collection[str],
    allow_media: Collection[str] = (),
    stored: Collection[str] = (),
) -> CrawlerMessage:
    """A crawler's message under the rules for outside items: what a stranger wrote into a feed gets no further than
    what a stranger pushes. `stored`: pictures (`media:<sha256>`) that the crawler itself has put into the storage.
    Raises InvalidField naming the field."""
    given = _convert(to_wire(message))
    return _checked(given, allowed_sources, trust=False, allow=allow_media, stored=stored)


def check_storable(message: CrawlerMessage) -> None:
    """Raise InvalidField naming the field that no database column can hold."""
    _check_names(message)
    for index, url in enumerate(message.media_urls):
        if _UNSTORABLE.search(url):
            raise InvalidField(f"media_urls[{index}]", "has NUL characters or broken Unicode")


def _checked(
    message: CrawlerMessage,
    allowed_sources: Collection[str],
    *,
    trust: bool,
    allow: Collection[str],
    stored: Collection[str] = (),
) -> CrawlerMessage:
    _check_source(message.source, allowed_sources)
    check_storable(message)
    _check_text(message)
    _check_media(message, trust=trust, allow=allow, stored=stored)
    return msgspec.structs.replace(message, data=storable(message.data))


def _check_present(raw: Mapping[str, Any]) -> None:
    for name in _REQUIRED:
        if raw.get(name) is None:
            raise InvalidField(name, "is missing")


def _moment(given: object) -> datetime:
    try:
        parsed = datetime.fromisoformat(given) if isinstance(given, str) else None
    except ValueError:
        parsed = None
    if parsed is None:
        raise InvalidField("timestamp", "is not ISO 8601 text; write it as 2023-07-01T14:30:00Z")
    if parsed.tzinfo is None:
        raise InvalidField("timestamp", "has no time zone; end it with Z or an offset such as +00:00")
    if parsed.year not in _YEARS:
        raise InvalidField("timestamp", f"is in the year {parsed.year}; it must be between 1970 and 9998")
    return parsed.astimezone(UTC)


def _convert(fields: dict[str, Any]) -> CrawlerMessage:
    try:
        return msgspec.convert(fields, CrawlerMessage)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$.")
        raise InvalidField(path.rstrip("`") or "item", reason) from None


def _check_source(source: str, allowed: Collection[str]) -> None:
    if source not in allowed:
        raise InvalidField("source", f"{source[:50]!r} is unknown; known are {', '.join(sorted(allowed))}")


def _check_names(message: CrawlerMessage) -> None:
    if len(message.channel) > 200:
        raise InvalidField("channel", "is longer than 200 characters")
    if len(message.root_id) > _ROOT_LIMIT:
        raise InvalidField("root_id", f"is longer than {_ROOT_LIMIT} characters")
    if message.revision > _REVISION_LIMIT:
        raise InvalidField("revision", "is too large; it must fit into 63 bits")
    for name in ("id", "root_id", "source", "author", "channel", "url"):
        if _UNREADABLE.search(getattr(message, name)):
            raise InvalidField(name, "has control characters or broken Unicode")
    for name in ("id", "author"):
        if not getattr(message, name).strip():
            raise InvalidField(name, "is empty")
    _check_link(message.url)


def is_link(url: str) -> bool:
    """May `url` be the address of a post?"""
    try:
        _check_link(url)
    except InvalidField:
        return False
    return bool(url) and not _UNREADABLE.search(url)


def _check_link(url: str) -> None:
    # Shown in the admin as a link: `javascript:` must not get that far.
    if url and not url.startswith(("http://", "https://")):
        raise InvalidField("url", "must begin with http:// or https://")
    if len(url) > URL_LIMIT:
        raise InvalidField("url", f"is longer than {URL_LIMIT} characters")


def _check_text(message: CrawlerMessage) -> None:
    text = message.data
    if len(text) > TEXT_LIMIT or len(text.encode("utf-8", "replace")) > TEXT_LIMIT:
        raise InvalidField("data", f"is longer than {TEXT_LIMIT} bytes; send the post's own text only")
    if message.type == "text" and not text.strip():
        raise InvalidField("data", "is empty; a post of type text needs words")


def _check_media(message: CrawlerMessage, *, trust: bool, allow: Collection[str], stored: Collection[str]) -> None:
    if message.type != "text" and not message.media_urls:
        raise InvalidField("media_urls", f"is empty, but the type is {message.type}")
    if len(message.media_urls) > MEDIA_LIMIT:
        raise InvalidField("media_urls", f"has {len(message.media_urls)} entries; at most {MEDIA_LIMIT} are read")
    for index, url in enumerate(message.media_urls):
        if not ((trust and is_local(url)) or (url in stored and _MEDIA_ID.match(url))):
            _check_media_url(f"media_urls[{index}]", url, allow)


def is_local(url: str) -> bool:
    """Does a media entry of an operator's file name a local file, or a picture already in the media storage?"""
    if _MEDIA_ID.match(url) or url.startswith("file:"):
        return True
    return bool(url) and len(url) <= URL_LIMIT and "://" not in url and "\x00" not in url


def _check_media_url(field: str, url: str, allow: Collection[str]) -> None:
    try:
        read_url(url, allow)
    except UnsafeAddress as error:
        raise InvalidField(field, str(error)) from None


def _kind(raw: object) -> str:
    return {list: "an array", str: "text", bool: "true or false", type(None): "null"}.get(type(raw), "a number")
