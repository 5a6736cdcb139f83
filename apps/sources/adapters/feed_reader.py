"""Reads RSS and Atom of strangers: what would explode or stall is refused before feedparser sees it."""

from __future__ import annotations

import calendar
import io
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin
from xml.parsers import expat

import feedparser
from feedparser.encodings import convert_to_utf8
from feedparser.sanitizer import replace_doctype

from apps.sources.domain.clean import storable, visible
from apps.sources.domain.intake import TEXT_LIMIT
from tradebot.contracts.errors import PermanentError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAME_LIMIT = 200
_LONGEST_ENTITY = 64
_LONGEST_REFERENCE = 12
_DEEPEST = 200
"""feedparser calls itself for each element inside another."""
_REFERENCE = re.compile(rb"&#([xX][0-9a-fA-F]+|[0-9]+);?")
_ODD_ENCODING = re.compile(rb"punycode|idna|unicode.escape", re.IGNORECASE)
_LONGEST_HEAD = 32_768
_FIRST_TAG = re.compile(rb"<\w")
_BLANKS = re.compile(rb"\s+")
_TAG = re.compile(rb"<(/?)[A-Za-z_][^<>]*?(/?)>")
_PICTURE = re.compile(r"<img\b[^<>]{0,2000}?\bsrc\s*=\s*[\"']([^\"'<>]{1,2000})[\"']", re.IGNORECASE)


class _Enough(Exception):
    """The first element begins: no declaration can follow."""


def read_feed(body: bytes, content_type: str, base: str) -> list[Any]:
    """Entries of a feed as feedparser gives them, in the feed's own order. `base`: the address it is known by, for
    relative links. A feed that breaks off gives what can be read.

    Raises PermanentError with the reason when it is no feed, or one that would explode.
    """
    if _ODD_ENCODING.search(content_type.encode("utf-8", "replace") + body[:400].replace(b"\x00", b"")):
        raise PermanentError("declares an encoding that no feed uses")
    decoded = _decoded(body, content_type)
    _check_depth(decoded)
    tidy = _REFERENCE.sub(_readable, _tidy_head(decoded))
    _check_entities(tidy)
    # As a stream: given bytes, feedparser would try them as the name of a local file.
    headers = {"content-type": "application/xml; charset=utf-8", "content-location": base}
    feed = feedparser.parse(io.BytesIO(tidy), response_headers=headers)
    if not feed.entries and not feed.get("version"):
        raise PermanentError(f"is no RSS or Atom feed ({feed.get('bozo_exception', 'no feed element')})"[:300])
    return list(feed.entries)


def text_of(entry: Any) -> str:
    """Title and body, as much as an outside item may have."""
    contents = entry.get("content") or [{}]
    title = storable(str(entry.get("title") or "")).strip()
    body = storable(str(entry.get("summary") or contents[0].get("value") or "")).strip()
    if not title or body.startswith(title):
        return _cut(body)
    return _cut(f"{title}\n\n{body}".strip())


def author_of(entry: Any) -> str:
    """Who wrote it, as one line; empty where the feed does not say."""
    return visible(str(entry.get("author") or "")).replace("\n", " ")[:NAME_LIMIT]


def published_at(entry: Any) -> datetime | None:
    """When it was published, else when it was last changed; None where the feed says neither in a known form."""
    return _moment(entry.get("published_parsed")) or updated_at(entry)


def updated_at(entry: Any) -> datetime | None:
    """When the source says that it was last changed."""
    return _moment(entry.get("updated_parsed")) if "updated_parsed" in entry else None


def pictures_of(entry: Any, base: str, *, inline: bool) -> list[str]:
    """Addresses of its pictures, each once: enclosures and media, else thumbnails; `inline`: else those that stand in
    its text."""
    offered = [link for link in entry.get("links", []) if link.get("rel") == "enclosure"]
    offered += entry.get("media_content", [])
    chosen = [item for item in offered if _is_image(item)] or entry.get("media_thumbnail", [])
    found = [str(item.get("href") or item.get("url") or "").strip() for item in chosen]
    if inline and not found:
        contents = entry.get("content") or [{}]
        found = _PICTURE.findall(f"{entry.get('summary') or ''} {contents[0].get('value') or ''}"[:TEXT_LIMIT])
    return list(dict.fromkeys(joined(base, url) for url in found if url))


def joined(base: str, url: str) -> str:
    """`url` as seen from `base`; as it is where it can't be read."""
    try:
        return urljoin(base, url)
    except ValueError:
        return url


def _decoded(body: bytes, content_type: str) -> bytes:
    # As feedparser itself would decode it, so that nothing stands there for it that was not seen here.
    headers = {"content-type": content_type} if content_type else {}
    decoded: bytes = convert_to_utf8(headers, body, {})
    return decoded


def _check_entities(data: bytes) -> None:
    # What feedparser makes of it is looked at as well: it is what will be parsed.
    for seen in (data, replace_doctype(data)[1]):
        _check_prolog(seen)


def _check_prolog(data: bytes) -> None:
    parser = expat.ParserCreate()
    parser.EntityDeclHandler = _check_entity
    parser.StartElementHandler = _stop
    with suppress(expat.ExpatError, _Enough):
        parser.Parse(data, True)


def _check_entity(name: str, parameter: int, value: str | None, *_: object) -> None:
    if parameter or value is None or "&" in value or "%" in value or len(value) > _LONGEST_ENTITY:
        raise PermanentError(f"declares the XML entity {name[:50]!r}, which could explode; no such feed is read")


def _stop(*_: object) -> None:
    raise _Enough


def _tidy_head(data: bytes) -> bytes:
    # feedparser searches what stands before the first element in a time that grows with the square of its blanks.
    first = _FIRST_TAG.search(data)
    end = first.start() if first else len(data)
    head = _BLANKS.sub(b"\n", data[:end])
    if len(head) > _LONGEST_HEAD:
        raise PermanentError(f"has more than {_LONGEST_HEAD} bytes before its first element")
    return head + data[end:]


def _check_depth(data: bytes) -> None:
    depth = 0
    for tag in _TAG.finditer(data):
        if tag[1]:
            depth = max(0, depth - 1)
        elif not tag[2]:
            depth += 1
            if depth > _DEEPEST:
                raise PermanentError(f"has elements nested more than {_DEEPEST} deep")


def _readable(reference: re.Match[bytes]) -> bytes:
    """The reference, or nothing where it means no character: on such a one feedparser gives up the whole feed."""
    digits = reference[1].lower()
    if len(digits) > _LONGEST_REFERENCE:
        return b""
    code = int(digits[1:], 16) if digits.startswith(b"x") else int(digits)
    return reference[0] if 0 < code <= sys.maxunicode and not 0xD800 <= code <= 0xDFFF else b""


def _cut(text: str) -> str:
    return text.encode()[:TEXT_LIMIT].decode("utf-8", "ignore")


def _moment(parsed: Any) -> datetime | None:
    try:
        return max(EPOCH, datetime.fromtimestamp(calendar.timegm(parsed), UTC)) if parsed else None
    except (ValueError, OverflowError, OSError):
        return None


def _is_image(item: Mapping[str, Any]) -> bool:
    return str(item.get("type", "")).startswith("image/") or item.get("medium") == "image"
