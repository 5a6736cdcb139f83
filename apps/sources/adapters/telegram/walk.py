"""Which pages of a preview are asked for, and what they tell together: newest first, down to what is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlencode

import msgspec

from apps.sources.adapters.telegram.ledger import Memory, lost_their_words, settle
from apps.sources.adapters.telegram.page import Page
from apps.sources.adapters.telegram.posts import Shown, Version
from tradebot.contracts.errors import PermanentError


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run brought: versions to send (oldest first), ids that are gone, and what to remember afterwards."""

    versions: list[Version]
    gone: list[int]
    memory: Memory


@dataclass(slots=True)
class Walk:
    """Asks for the newest page and goes back by `?before=` until what was read the last time is reached and `overlap`
    posts were seen again. More than `pages` pages are left for the next run, as a gap in what is remembered; gaps of
    earlier runs are read after the newest pages. A new channel starts with its newest `overlap` posts.
    """

    memory: Memory
    base: str
    overlap: int
    pages: int
    notes: set[str] = field(default_factory=set)
    _head: list[Shown] = field(default_factory=list)
    _gap: list[Shown] = field(default_factory=list)
    _gaps: list[tuple[int, int]] = field(default_factory=list)
    _before: int | None = None
    _asked: int = 0
    _in_gap: bool = False

    def __post_init__(self) -> None:
        self._gaps = list(self.memory.gaps)

    @property
    def url(self) -> str:
        """The page to ask for now."""
        address = f"{self.base}/s/{self.memory.channel}"
        return f"{address}?{urlencode({'before': self._before})}" if self._before else address

    def take(self, page: Page) -> bool:
        """Note what the page at `url` shows; returns whether another one is wanted. Raises PermanentError when it can't
        be this channel's next page."""
        self._asked += 1
        self._check(page)
        self.notes.update(page.notes)
        if self._in_gap:
            # What lies below the gap was read before it opened.
            self._gap.extend(post for post in page.posts if post.id > self._gaps[-1][0])
        else:
            self._head.extend(page.posts)
        return self._next_of_gap(page) if self._in_gap else self._next_of_head(page)

    def outcome(self) -> Outcome:
        """Everything that was read, compared with what was known. Raises PermanentError when it can only mean that the
        page is built otherwise by now."""
        if lost_their_words(self._head, self.memory.known):
            raise PermanentError("no known post has words any more: the preview's markup has changed; nothing is taken")
        head, gap = settle(self._head, self.memory.known), settle(self._gap, self.memory.known)
        top = max((member for post in self._head for member in post.members), default=0)
        memory = msgspec.structs.replace(
            self.memory, begun=True, top=max(top, self.memory.top), known=head.known, gaps=self._gaps
        )
        return Outcome([*gap.versions, *head.versions], head.gone, memory)

    def _check(self, page: Page) -> None:
        if not page.posts:
            if self._before is None and self.memory.known:
                raise PermanentError(
                    f"@{self.memory.channel} shows no posts, though {len(self.memory.known)} were seen before: "
                    "it was emptied, or the preview's markup has changed"
                )
            return
        if self._before is not None and page.highest >= self._before:
            raise PermanentError(
                f"{self.url} shows newer posts than it was asked for: the preview's paging has changed"
            )
        self._check_number(page.number)

    def _check_number(self, number: int | None) -> None:
        known = self.memory.number
        if known is not None and number is not None and number != known:
            raise PermanentError(
                f"@{self.memory.channel} is another channel now (number {number}, it was {known}); nothing of it is "
                "taken. If that is right, clear the state of this source"
            )
        if number is not None:
            self.memory = msgspec.structs.replace(self.memory, number=number)

    def _next_of_head(self, page: Page) -> bool:
        if page.posts and not self._is_far_enough(page):
            if self._asked < self.pages:
                self._before = page.lowest
                return True
            if self.memory.begun and self.memory.top < page.lowest:
                self._gaps.append((self.memory.top, page.lowest))
            return False
        return self._goes_on_in_gap()

    def _is_far_enough(self, page: Page) -> bool:
        if self.memory.begun and page.lowest > self.memory.top and (self.memory.top or page.offers_older):
            # Whatever the page offers: what is known must lie further back.
            return False
        return len(self._head) >= self.overlap or not page.offers_older

    def _goes_on_in_gap(self) -> bool:
        """With the newest gap, while there is one and this run may still ask."""
        if not self._gaps or self._asked >= self.pages:
            return False
        self._in_gap, self._before = True, self._gaps[-1][1]
        return True

    def _next_of_gap(self, page: Page) -> bool:
        low, _ = self._gaps.pop()
        if page.posts and page.lowest > low:
            self._gaps.append((low, page.lowest))
        return self._goes_on_in_gap()
