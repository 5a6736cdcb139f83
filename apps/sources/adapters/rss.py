"""RSS and Atom feeds as posts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Annotated, Any
from uuid import uuid4

import msgspec
from django.conf import settings

from apps.sources import selectors
from apps.sources.adapters import feed_reader as reader
from apps.sources.adapters.guarded import Fetched, GuardedClient, check_status
from apps.sources.adapters.versions import Versions
from apps.sources.domain.address import read_url
from apps.sources.domain.intake import MEDIA_LIMIT, is_link
from tradebot.contracts.errors import NotConfigured, PermanentError, Throttled, UnsafeAddress
from tradebot.contracts.messages import CrawlerMessage
from tradebot.contracts.ports import Deletion

_HEADERS = {"Accept": "application/atom+xml, application/rss+xml, application/xml;q=0.9, */*;q=0.5"}
_GONE_PAUSE = timedelta(days=1)
_LONGEST_WAIT = timedelta(days=1)
_MEGABYTE = 1024 * 1024


class FeedConfig(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Settings of one feed. `max_bytes`: feedparser takes up to 8 s for each hostile megabyte. `authorization`: a
    header for private feeds, as a reference (`env:NAME`, `file:PATH`). `media_hosts`: the only hosts that pictures may
    come from, any where it is empty. `inline_images`: also pictures that stand in the text."""

    max_entries: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 200
    max_bytes: Annotated[int, msgspec.Meta(ge=1024, le=8 * _MEGABYTE)] = 2 * _MEGABYTE
    authorization: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    media_hosts: list[str] = []
    inline_images: bool = False


class FeedCrawler:
    """Polls one feed. Config: `url`, `name` (the channel of its posts), `state` (what `state` was after the last run),
    and the fields of FeedConfig.

    An entry is told apart by its guid, else its link, else a hash of its words. One whose words or pictures changed is
    a new revision with the moment of the first. One without a date counts as old as the poll before, or as the epoch on
    the first poll: what can't be dated must not look fresh.
    """

    name = "rss"
    config_model = FeedConfig

    def __init__(self, client: GuardedClient | None = None) -> None:
        self._client = client
        self.state: dict[str, Any] = {}
        self.deletions: list[Deletion] = []
        self.notes: dict[str, str] = {}

    def init(self, config: Mapping[str, Any]) -> None:
        """Raises NotConfigured without a usable url, or with a setting that is wrong."""
        self._config = _settings(config)
        self._client = self._client or GuardedClient(
            allow=settings.GUARDED_ALLOW, byte_limit=self._config.max_bytes, time_limit=20
        )
        self._url = str(config.get("url") or "")
        self._channel = str(config.get("name") or self._url)[: reader.NAME_LIMIT]
        try:
            read_url(self._url, settings.GUARDED_ALLOW)
        except UnsafeAddress as error:
            raise NotConfigured(f"url: {error}") from None
        state = config.get("state") or {}
        self.state = dict(state) if state.get("url") == self._url else {}

    def fetch(self) -> Iterable[CrawlerMessage]:
        """Entries of the feed, oldest first; none when the server says that nothing changed, or sends what it sent
        before. Raises Throttled for 410 (a day's pause) and where the server says when to come again."""
        if self._client is None:
            raise NotConfigured("init was not called")
        polled_at = datetime.now(UTC)
        self.notes = {}
        answer = self._client.ask("GET", self._url, {**_HEADERS, **self._conditions()})
        _check(answer, polled_at)
        digest = hashlib.sha256(answer.body).hexdigest()
        same = answer.status == 304 or digest == self.state.get("body")
        self.notes = _moved_note(self._channel, answer)
        known = Versions(self.state.get("entries") or {})
        messages = [] if same else self._read(answer, known, polled_at)
        self.state = self._next_state(answer, digest, known, polled_at)
        return messages

    def validate(self, msg: CrawlerMessage) -> bool:
        """Could this feed have written `msg`?"""
        return msg.source == self.name and msg.channel == self._channel and bool(msg.data or msg.media_urls)

    def _conditions(self) -> dict[str, str]:
        known = {
            "If-None-Match": self.state.get("etag"),
            "If-Modified-Since": self.state.get("last_modified"),
            "Authorization": self._config.authorization,
        }
        return {name: str(value) for name, value in known.items() if value}

    def _next_state(self, answer: Fetched, digest: str, known: Versions, polled_at: datetime) -> dict[str, Any]:
        same = answer.status == 304
        before = self.state if same else {}
        return {
            "url": self._url,
            "etag": answer.headers.get("etag") or before.get("etag"),
            "last_modified": answer.headers.get("last-modified") or before.get("last_modified"),
            "body": before.get("body") if same else digest,
            "entries": known.remembered(),
            "polled_at": polled_at.isoformat(),
        }

    def _read(self, answer: Fetched, known: Versions, now: datetime) -> list[CrawlerMessage]:
        # The address we were given, not where it redirects: relative guids stay the same when the feed moves.
        entries = reader.read_feed(answer.body, answer.headers.get("content-type", ""), self._url)
        chosen = entries[: self._config.max_entries]
        messages = [message for entry in chosen if (message := self._message(entry, known))]
        if len(entries) > len(chosen):
            self.notes["left out"] = f"{len(entries) - len(chosen)} of {len(entries)} entries; see max_entries"
        late = [message for message in messages if message.timestamp > now]
        if late:
            self.notes["future"] = f"{len(late)} of {len(messages)} entries are dated in the future and never trade"
        return sorted(messages, key=lambda message: message.timestamp)

    def _message(self, entry: Any, known: Versions) -> CrawlerMessage | None:
        text, link = reader.text_of(entry), str(entry.get("link") or "")
        images = self._images(entry)
        if not text and not images:
            return None
        native_id = _identity(entry, text)
        moment = reader.published_at(entry) or self._undated()
        revision, first_moment = known.sighting(native_id, [text, *images], moment, reader.updated_at(entry))
        return CrawlerMessage(
            id=native_id,
            root_id=str(uuid4()),
            seen_at=datetime.now(UTC),
            source=self.name,
            type="image" if images else "text",
            data=text,
            media_urls=images,
            timestamp=first_moment,
            author=reader.author_of(entry) or self._channel,
            channel=self._channel,
            url=link if is_link(link) else "",
            revision=revision,
        )

    def _images(self, entry: Any) -> list[str]:
        found = reader.pictures_of(entry, self._url, inline=self._config.inline_images)
        return [url for url in found if _is_usable(url)][:MEDIA_LIMIT]

    def _undated(self) -> datetime:
        polled = self.state.get("polled_at")
        return datetime.fromisoformat(polled) if polled else reader.EPOCH


def _settings(config: Mapping[str, Any]) -> FeedConfig:
    given = {name: value for name, value in config.items() if name not in {"url", "name", "state"}}
    try:
        return msgspec.convert(given, FeedConfig)
    except msgspec.ValidationError as error:
        raise NotConfigured(str(error)) from None


def _check(answer: Fetched, now: datetime) -> None:
    if answer.status == 410:
        reason = "the server answered 410: the feed is gone for good; disable this source or change its url"
        raise Throttled(reason, now + _GONE_PAUSE)
    if answer.status in {429, 503} and (until := _retry_after(answer.headers.get("retry-after", ""), now)):
        reason = f"the server answered {answer.status} and asks to wait until {until:%Y-%m-%d %H:%M:%S} UTC"
        raise Throttled(reason, until)
    if answer.status in {401, 403}:
        raise PermanentError(f"the server answered {answer.status}: it wants credentials; see `authorization`")
    check_status(answer.status)


def _retry_after(given: str, now: datetime) -> datetime | None:
    try:
        until = now + timedelta(seconds=int(given)) if given.isdigit() else parsedate_to_datetime(given).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(until, now), now + _LONGEST_WAIT)


def _moved_note(channel: str, answer: Fetched) -> dict[str, str]:
    return {channel: f"has moved for good to {answer.moved[:500]}; change its url"} if answer.moved else {}


def _identity(entry: Any, text: str) -> str:
    given = str(entry.get("id") or entry.get("link") or "").strip()
    if given and len(given) <= reader.NAME_LIMIT and given.isprintable():
        return given
    return "sha256:" + hashlib.sha256((given or text).encode("utf-8", "replace")).hexdigest()


def _is_usable(url: str) -> bool:
    try:
        read_url(url, selectors.allowed_media())
    except UnsafeAddress:
        return False
    return True
