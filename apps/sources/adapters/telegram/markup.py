"""Words, pictures and names in the markup of one message on t.me/s."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from lxml import etree

_BLANKS = re.compile(r"[ \t\r\n]+")
_AROUND_LINE_ENDS = re.compile(r"[ \t]*\n[ \t]*")
_MANY_LINE_ENDS = re.compile(r"\n{3,}")
_BACKGROUND = re.compile(r"background-image\s*:\s*url\(\s*['\"]?([^'\")]+)", re.IGNORECASE)
_FILE_ID = re.compile(r"-?\d{6,}(?:_\d+)?")
_HANDLE = re.compile(r"^/([A-Za-z][A-Za-z0-9_]{3,31})(?:/\d+)?/?$")
_EDITED = re.compile(r"\bedited\b", re.IGNORECASE)
_BLOCKS = frozenset({"blockquote", "div", "li", "ol", "p", "pre", "ul"})

_TEXT = "contains(concat(' ', @class, ' '), ' {} ')"


def path(expression: str) -> Callable[[Any], list[Any]]:
    """A compiled XPath; called with an element, it gives the nodes."""
    compiled: Any = etree.XPath(expression)
    found: Callable[[Any], list[Any]] = compiled
    return found


def having(name: str) -> str:
    """An XPath condition: the element has this class."""
    return _TEXT.format(name)


def inside(name: str) -> str:
    """An XPath condition: the element stands in another one with this class."""
    return f"ancestor::*[{having(name)}]"


def text_of(node: Any) -> str:
    """The words of an element as a reader sees them, with its line breaks."""
    raw = "".join(_pieces(node, preformatted=node.tag == "pre"))
    return _MANY_LINE_ENDS.sub("\n\n", _AROUND_LINE_ENDS.sub("\n", raw)).strip()


def _pieces(node: Any, *, preformatted: bool) -> Iterator[str]:
    # By start and end events: a page nests as deeply as its writer likes.
    depth_of_pre = 1 if preformatted else 0
    for event, part in etree.iterwalk(node, events=("start", "end")):
        if not isinstance(part.tag, str):
            if event == "end" and part is not node:
                yield _folded(part.tail, depth_of_pre)
            continue
        if event == "start":
            depth_of_pre += part.tag == "pre" and part is not node
            if part is not node and (part.tag == "br" or part.tag in _BLOCKS):
                yield "\n"
            yield _folded(part.text, depth_of_pre)
        elif part is not node:
            depth_of_pre -= part.tag == "pre"
            if part.tag in _BLOCKS:
                yield "\n"
            yield _folded(part.tail, depth_of_pre)


def _folded(text: str | None, preformatted: int) -> str:
    if preformatted:
        return text or ""
    return _BLANKS.sub(" ", text or "")


def hidden_links(node: Any) -> list[str]:
    """Addresses behind words that do not show them; `?q=` searches of hashtags are none."""
    targets = (str(link.get("href") or "") for link in node.iter("a") if text_of(link) != link.get("href"))
    return [target for target in targets if target and not target.startswith("?")]


def background(node: Any, base: str) -> str:
    """The picture that an element shows as its background, as a whole address; empty without one."""
    found = _BACKGROUND.search(str(node.get("style") or ""))
    return urljoin(base, found[1].strip()) if found else ""


def file_ids(node: Any) -> str:
    """Telegram's numbers of the file, which stay when the address of the picture changes."""
    return " ".join(word for word in str(node.get("class") or "").split() if _FILE_ID.fullmatch(word))


def moment(node: Any) -> datetime | None:
    """The time that an element names, in UTC."""
    try:
        parsed = datetime.fromisoformat(str(node.get("datetime") or "").replace("Z", "+00:00"))
        return parsed.astimezone(UTC) if parsed.tzinfo else None
    except (ValueError, OverflowError):
        return None


def is_edited(meta: Any) -> bool:
    """Whether the line under a message says so: in its own words, not in the author's name."""
    return bool(_EDITED.search(" ".join(map(str, meta.xpath("./text()")))))


def handle(node: Any) -> str:
    """The channel that a link into Telegram names, else the words that are shown."""
    parts = urlsplit(str(node.get("href") or ""))
    found = _HANDLE.match(parts.path) if parts.hostname in {"t.me", "telegram.me"} else None
    return found[1] if found else " ".join(text_of(node).split())


def channel_number(message: Any) -> int | None:
    """Telegram's own id of the channel, which stays when it gets another name (from `data-view`)."""
    given = str(message.get("data-view") or "")
    try:
        number = json.loads(base64.urlsafe_b64decode(given + "=" * (-len(given) % 4)))["c"]
    except (binascii.Error, ValueError, KeyError, TypeError):
        return None
    return number if isinstance(number, int) else None
