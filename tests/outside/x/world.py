"""What there is on this X: accounts, posts and their revisions, pictures."""

from __future__ import annotations

import bisect
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

EPOCH_MS = 1_288_834_974_657
SHORT = 280


@dataclass
class User:
    """`state`: ok, suspended, protected or gone."""

    id: int
    username: str
    state: str = "ok"


@dataclass
class Tweet:
    """One revision. `history` is one list for all revisions of a post; `references`: (type, id)."""

    id: int
    author: int
    text: str
    at_ms: int
    history: list[int]
    media: list[dict[str, Any]] = field(default_factory=list)
    references: list[tuple[str, int]] = field(default_factory=list)
    deleted: bool = False

    @property
    def current(self) -> bool:
        return not self.deleted and self.history[-1] == self.id


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class World:
    """Everything is looked up by id; `shown` are the ids that searches and timelines see, oldest first."""

    def __init__(self) -> None:
        self.users: dict[int, User] = {}
        self.tweets: dict[int, Tweet] = {}
        self.shown: list[int] = []
        self._names: dict[str, int] = {}
        self._serial = count()
        self._media = count(1)

    # --- accounts -----------------------------------------------------------------------------------------------------

    def user(self, username: str) -> User:
        """The account of this name, opened if need be."""
        found = self.named(username)
        if found is None:
            found = User(1_300_000_000_000_000_000 + len(self.users), username)
            self.users[found.id] = found
            self._names[username.casefold()] = found.id
        return found

    def named(self, username: str) -> User | None:
        known = self._names.get(username.casefold())
        return self.users[known] if known is not None else None

    def rename(self, username: str, to: str) -> None:
        user = self.user(username)
        del self._names[username.casefold()]
        user.username = to
        self._names[to.casefold()] = user.id

    def is_called(self, author: int, name: str) -> bool:
        """By its name or its id."""
        return str(author) == name or self._names.get(name.lstrip("@").casefold()) == author

    # --- posts --------------------------------------------------------------------------------------------------------

    def post(self, given: Mapping[str, Any]) -> Tweet:
        """`username`, `text`; optional `id`, `at` (ISO 8601), `photos` and `videos` (addresses), `retweets`,
        `quotes`, `replies_to` (ids), `hidden` (not searchable until it is shown)."""
        author = self.user(given["username"]).id
        at = int(datetime.fromisoformat(given["at"]).timestamp() * 1000) if "at" in given else now_ms()
        number = int(given.get("id") or self._id(at))
        kinds = {"retweets": "retweeted", "quotes": "quoted", "replies_to": "replied_to"}
        references = [(kind, int(given[name])) for name, kind in kinds.items() if given.get(name)]
        text = given.get("text") or self._retweet_text(references)
        tweet = Tweet(number, author, text, at, [number], self._pictures(given), references)
        self._add(tweet, shown=not given.get("hidden"))
        return tweet

    def edit(self, number: int, text: str) -> Tweet:
        """A new revision, which takes the place of the old one wherever posts are listed."""
        old = self.tweets[self.tweets[number].history[-1]]
        at = now_ms()
        history = old.history
        history.append(self._id(at))
        self._hide(old.id)
        fresh = Tweet(history[-1], old.author, text, at, history, old.media, old.references)
        self._add(fresh, shown=True)
        return fresh

    def delete(self, number: int) -> None:
        """All revisions."""
        for revision in self.tweets[number].history:
            self.tweets[revision].deleted = True
            self._hide(revision)

    def show(self, number: int) -> None:
        """What was hidden is found from now on, under its old id: the index was late."""
        bisect.insort(self.shown, number)

    def between(self, low: int, high: int | None) -> Iterator[Tweet]:
        """Shown posts with low < id < high, newest first."""
        end = bisect.bisect_left(self.shown, high) if high is not None else len(self.shown)
        for index in range(end - 1, -1, -1):
            if self.shown[index] <= low:
                return
            yield self.tweets[self.shown[index]]

    def is_visible(self, tweet: Tweet) -> bool:
        return not tweet.deleted and self.users[tweet.author].state == "ok"

    def _add(self, tweet: Tweet, *, shown: bool) -> None:
        self.tweets[tweet.id] = tweet
        if shown:
            bisect.insort(self.shown, tweet.id)

    def _hide(self, number: int) -> None:
        index = bisect.bisect_left(self.shown, number)
        if index < len(self.shown) and self.shown[index] == number:
            del self.shown[index]

    def _id(self, at_ms: int) -> int:
        return (max(0, at_ms - EPOCH_MS) << 22) + next(self._serial) % (1 << 22)

    def _retweet_text(self, references: list[tuple[str, int]]) -> str:
        if not references or references[0][0] != "retweeted":
            return ""
        original = self.tweets[references[0][1]]
        text = f"RT @{self.users[original.author].username}: {original.text}"
        return text if len(text) <= 140 else text[:139] + "…"

    def _pictures(self, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        photos = [
            {"media_key": f"3_{next(self._media)}", "type": "photo", "url": url} for url in given.get("photos", [])
        ]
        videos = [
            {"media_key": f"7_{next(self._media)}", "type": "video", "preview_image_url": url}
            for url in given.get("videos", [])
        ]
        return photos + videos


def iso(at_ms: int) -> str:
    """As X writes a moment: whole seconds, three zeros."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
