"""Items of a page, by the selectors that an operator wrote for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urljoin
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from parsel import Selector
from scrapy.http import HtmlResponse

from apps.sources.adapters.pages.config import PageConfig
from apps.sources.domain.clean import storable
from apps.sources.domain.intake import MEDIA_LIMIT, TEXT_LIMIT
from tradebot.contracts.errors import NotConfigured, PermanentError

_NAME_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Item:
    """What one item says; `moment` is None where it names none in a form that is known."""

    native_id: str
    title: str
    text: str
    link: str
    author: str
    images: tuple[str, ...]
    moment: datetime | None


class Reader:
    """Reads pages by one configuration. Raises NotConfigured for a selector or a time zone that is none."""

    def __init__(self, config: PageConfig) -> None:
        self._config = config
        try:
            self._zone = ZoneInfo(config.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise NotConfigured(
                f"time_zone: {config.time_zone!r} is no time zone; write one as Europe/Berlin"
            ) from None
        blank = Selector(text="<html></html>")
        for name in ("item", "title", "text", "link", "time", "image", "id", "author", "wait_for"):
            _check_selector(blank, name, getattr(config, name))

    def items(self, body: bytes, content_type: str, url: str) -> list[Item]:
        """At most `max_items`, in the page's order. Raises PermanentError where nothing is found: a page whose list
        stands elsewhere since yesterday must not look like one without news."""
        page = HtmlResponse(url, body=body, headers={"Content-Type": content_type})
        found = page.css(self._config.item)
        if not found:
            raise PermanentError(f"nothing on the page matches {self._config.item!r}; has its design changed?")
        return [self._item(part, page.urljoin("")) for part in found[: self._config.max_items]]

    def _item(self, part: Selector, base: str) -> Item:
        config = self._config
        link = _first(_values(part, config.link, "href"))
        images = (_joined(base, url) for url in _values(part, config.image, "src"))
        return Item(
            native_id=_first(_values(part, config.id, "")),
            title=_text(_values(part, config.title, "")[:1]),
            text=_text(_values(part, config.text, "")) if config.text or config.title else _words(part),
            link=_joined(base, link) if link else "",
            author=_first(_values(part, config.author, ""))[:_NAME_LIMIT],
            images=tuple(dict.fromkeys(images))[:MEDIA_LIMIT],
            moment=self._moment(_values(part, config.time, "datetime")),
        )

    def _moment(self, given: list[str]) -> datetime | None:
        for text in given:
            try:
                found = self._parsed(text.strip())
                aware = found if found.tzinfo else found.replace(tzinfo=self._zone)
                return max(datetime(1970, 1, 1, tzinfo=UTC), aware.astimezone(UTC))
            except (ValueError, OverflowError):
                continue
        return None

    def _parsed(self, text: str) -> datetime:
        pattern = self._config.time_format
        # Naive where the page names no zone: the caller adds the configured one.
        return datetime.strptime(text, pattern) if pattern else datetime.fromisoformat(text)  # noqa: DTZ007


def _check_selector(blank: Selector, name: str, selector: str) -> None:
    try:
        if selector:
            blank.css(selector)
    except (ValueError, SyntaxError) as error:
        raise NotConfigured(f"{name}: {selector!r} is no CSS selector ({error})"[:300]) from None


def _values(part: Selector, selector: str, attribute: str) -> list[str]:
    if not selector:
        return []
    found = part.css(selector)
    if "::" in selector:
        return [storable(value).strip() for value in found.getall() if value.strip()]
    return [value for element in found if (value := _value(element, attribute))]


def _value(element: Selector, attribute: str) -> str:
    given = element.attrib.get(attribute, "") if attribute else ""
    return storable(given).strip() if given else ("" if attribute in {"href", "src"} else _words(element))


def _words(element: Selector) -> str:
    pieces = element.xpath(".//text()[not(ancestor::script) and not(ancestor::style)]").getall()
    return storable(" ".join(" ".join(pieces).split()))


def _text(values: Iterable[str]) -> str:
    return "\n".join(values).encode()[:TEXT_LIMIT].decode("utf-8", "ignore")


def _first(values: list[str]) -> str:
    return values[0] if values else ""


def _joined(base: str, url: str) -> str:
    try:
        return urljoin(base, url)
    except ValueError:
        return url
