"""Notices of an exchange, from a JSON page that it serves newest first, and from the lines that it pushes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import msgspec

from tradebot.contracts.errors import NotConfigured, PermanentError, Throttled, TransientError
from tradebot.contracts.messages import CrawlerMessage
from tradebot.contracts.ports import Deletion, Emit

SECONDS = 10.0
_QUIET = httpx.Timeout(SECONDS, read=None)
"""Nothing is pushed for hours, and that is no error."""
MOST_BYTES = 1_000_000
OVERLAP = 50
"""Notices under the watermark that are read again: for edits, and for what was put up late."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an operator may write. `push`: whether to listen too."""

    api_token: str
    language: str = "en"
    push: bool = False


class Notice(msgspec.Struct, frozen=True):
    """One entry of the page. `version` grows with every edit; `withdrawn`: it is not to be seen any more."""

    id: int
    time: float
    title: str
    version: int = 0
    withdrawn: bool = False


class NoticeCrawler:
    """Polls the page, and listens where `push` says so. State: the versions of the newest notices."""

    name = "notices"
    config_model = Settings

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        self.deletions: list[Deletion] = []
        self.notes: dict[str, str] = {}

    def init(self, config: Mapping[str, Any]) -> None:
        if not str(config["url"]).startswith(("https://", "http://127.0.0.1:")):
            raise NotConfigured("url: give the https address of the notices' JSON page")
        self._url = str(config["url"])
        self._push = bool(config.get("push", False))
        self._language = str(config.get("language", "en"))
        self._headers = {"Authorization": f"Bearer {config['api_token']}"}
        self.state = dict(config["state"])

    def fetch(self) -> Iterable[CrawlerMessage]:
        notices = sorted(self._page(), key=lambda notice: notice.time)
        for notice in notices:
            if not notice.withdrawn:
                yield self._message(notice)
        self._remember(notices)

    def validate(self, msg: CrawlerMessage) -> bool:
        return msg.source == self.name and msg.channel == "notices" and msg.id.isdigit()

    async def listen(self, emit: Emit) -> None:
        if not self._push:
            raise NotConfigured("push: is off; polling goes on")
        try:
            client = httpx.AsyncClient(timeout=_QUIET)
            async with client, client.stream("GET", f"{self._url}/push", headers=self._headers) as answer:
                _raise_for(answer)
                async for line in answer.aiter_lines():
                    await self._hand_on(_read(line, Notice), emit)
        except httpx.HTTPError as error:
            raise TransientError(f"the notices' connection broke: {type(error).__name__}") from error

    async def _hand_on(self, notice: Notice, emit: Emit) -> None:
        if notice.withdrawn:
            await emit([], [self._deletion(notice)])
        else:
            await emit([self._message(notice)], [])

    def _page(self) -> list[Notice]:
        body = bytearray()
        try:
            asking = {"params": {"lang": self._language}, "headers": self._headers, "timeout": SECONDS}
            with httpx.stream("GET", self._url, **asking) as answer:
                _raise_for(answer)
                for piece in answer.iter_bytes():
                    body += piece
                    if len(body) > MOST_BYTES:
                        raise PermanentError(f"the notices' page is larger than {MOST_BYTES} bytes")
        except httpx.HTTPError as error:
            raise TransientError(f"the notices could not be read: {type(error).__name__}") from error
        return _read(bytes(body), list[Notice])

    def _remember(self, notices: list[Notice]) -> None:
        """What was read, and what it says is gone that was there before."""
        known = dict(self.state.get("versions", {}))
        self.deletions = [self._deletion(notice) for notice in notices if notice.withdrawn and str(notice.id) in known]
        self.notes = {"notices": f"{len(self.deletions)} withdrawn"} if self.deletions else {}
        shown = [notice for notice in notices if not notice.withdrawn][-OVERLAP:]
        self.state = {"versions": {str(notice.id): notice.version for notice in shown}}

    def _message(self, notice: Notice) -> CrawlerMessage:
        return CrawlerMessage(
            id=str(notice.id),
            root_id=str(uuid4()),
            seen_at=datetime.now(UTC),
            source=self.name,
            type="text",
            data=notice.title,
            timestamp=datetime.fromtimestamp(notice.time, UTC),
            author="exchange",
            channel="notices",
            revision=notice.version,
        )

    def _deletion(self, notice: Notice) -> Deletion:
        return Deletion(self.name, "notices", str(notice.id), datetime.now(UTC))


def _raise_for(answer: httpx.Response) -> None:
    if answer.status_code == 429:
        seconds = float(answer.headers.get("Retry-After", "60"))
        raise Throttled("the exchange asks to wait", datetime.now(UTC) + timedelta(seconds=seconds))
    if answer.status_code >= 500:
        raise TransientError(f"the exchange answered {answer.status_code}")
    if answer.status_code != 200:
        raise PermanentError(f"the exchange answered {answer.status_code}; check url and api_token")


def _read(body: bytes | str, kind: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TransientError(f"the exchange sent what is no notice: {error}") from None
