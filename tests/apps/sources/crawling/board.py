"""A notice board to crawl: pages newest first, posts that are edited, deleted and shown in another order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec

from tradebot.contracts.messages import CrawlerMessage
from tradebot.contracts.ports import Deletion

PAGE = 2
REMEMBERED = 200


@dataclass
class Notice:
    id: int
    revision: int = 0
    posted_at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass
class Board:
    """`notices` in the order they were put up, `ever`: all ids. `seam` is called wherever a crawl may be killed."""

    ever: set[int] = field(default_factory=set)
    notices: list[Notice] = field(default_factory=list)
    seam: Callable[[], None] = lambda: None
    swapped: bool = False
    error: Exception | None = None
    secret: str = ""

    def put(self, number: int, late: timedelta = timedelta()) -> None:
        self.ever.add(number)
        self.notices.append(Notice(number, posted_at=datetime.now(UTC) - late))

    def page(self, number: int) -> list[Notice]:
        """Page 0 is the newest. `swapped`: the newest two in the wrong order, as services do that are not sure yet."""
        newest = self.notices[::-1]
        if self.swapped and len(newest) > 1:
            newest[0], newest[1] = newest[1], newest[0]
        return newest[number * PAGE : (number + 1) * PAGE]


board = Board()


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    api_token: str = ""
    pages: int = 100


class BoardCrawler:
    """Reads down to the first page of which it knows everything. State: the newest notices with their revisions."""

    name = "board"
    config_model = Settings

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        self.deletions: list[Deletion] = []
        self.notes: dict[str, str] = {}

    def init(self, config: Mapping[str, Any]) -> None:
        board.secret = str(config.get("api_token", ""))
        self._known = {int(number): revision for number, revision in dict(config["state"]).get("known", {}).items()}

    def fetch(self) -> Iterator[CrawlerMessage]:
        board.seam()
        shown: list[Notice] = []
        for number in range(len(board.notices) // PAGE + 1):
            page = board.page(number)
            shown += page
            if page and all(self._known.get(notice.id) == notice.revision for notice in page):
                break
        yield from self._told(reversed(shown))
        if board.error:
            raise board.error
        self._remember(shown)

    def _told(self, notices: Iterable[Notice]) -> Iterator[CrawlerMessage]:
        for notice in notices:
            yield message(notice)
            board.seam()

    def _remember(self, shown: list[Notice]) -> None:
        up = {notice.id for notice in board.notices}
        gone = [number for number in self._known if number not in up]
        self.deletions = [Deletion(self.name, "board", str(number), datetime.now(UTC)) for number in gone]
        kept = {number: revision for number, revision in self._known.items() if number in up}
        seen = {**kept, **{notice.id: notice.revision for notice in shown}}
        self.state = {"known": {str(number): seen[number] for number in list(seen)[-REMEMBERED:]}}

    def validate(self, msg: CrawlerMessage) -> bool:
        return msg.source == self.name and msg.channel == "board"


class BrokenInit(BoardCrawler):
    def init(self, config: Mapping[str, Any]) -> None:
        raise ZeroDivisionError("plugin bug in init")


class BrokenState(BoardCrawler):
    def _remember(self, shown: list[Notice]) -> None:
        self.state = {"since": object()}


def message(notice: Notice) -> CrawlerMessage:
    return CrawlerMessage(
        id=str(notice.id),
        root_id=str(uuid4()),
        seen_at=datetime.now(UTC),
        source="board",
        type="text",
        data=f"notice {notice.id} in revision {notice.revision}",
        timestamp=notice.posted_at,
        author="synthetic_author",
        channel="board",
        revision=notice.revision,
    )
