"""History through Telethon's own types: every post once, in every version, whenever the crawler is killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from telethon.extensions import BinaryReader
from telethon.tl import types

from apps.sources.adapters.telegram.config import TelegramConfig
from apps.sources.adapters.telegram.history import Read, read_history
from apps.sources.adapters.telegram.ledger import Memory, recall, remember
from apps.sources.adapters.telegram.messages import picture_bytes, posts_of, shown_of
from tests.outside.telegram.methods import Caller, Methods
from tests.outside.telegram.world import World

NAME = "sample"
ACCOUNT = 42


def read_back(message: Any) -> Any:
    """The message as it arrives: through its serialised form."""
    return BinaryReader(bytes(message)).tgread_object()


class Client:
    """Telethon's methods that a run uses, over a world; every object goes through its serialised form."""

    _mb_entity_cache: Any = None
    _self_id = 1
    parse_mode = None

    def __init__(self, world: World) -> None:
        self._world = world
        self._methods = Methods(world)

    async def __call__(self, request: Any) -> Any:
        return read_back(self._methods.call(Caller(phone="1"), request))

    async def iter_messages(
        self, peer: Any, *, limit: int, min_id: int = 0, reverse: bool = False
    ) -> AsyncIterator[Any]:
        channel = self._world.by_id(peer.channel_id)
        assert channel is not None
        found = [channel.messages[number] for number in sorted(channel.messages) if number > min_id]
        chosen = found[:limit] if reverse else found[::-1][:limit]
        for message in chosen:
            arrived = read_back(self._methods._message(channel, message))
            chat = read_back(self._methods._resolve(Caller(), _Asked(channel.username))).chats[0]
            arrived._finish_init(self, {-1_000_000_000_000 - channel.id: chat}, peer)
            yield arrived


@dataclass
class _Asked:
    username: str


def run(world: World, memory: Memory, *, overlap: int = 20, pages: int = 1) -> Read:
    config = TelegramConfig(channel=NAME, mode="client", overlap=overlap, pages=pages)
    client: Any = Client(world)
    return asyncio.run(read_history(client, config, ACCOUNT, memory))


def fresh() -> Memory:
    return recall({}, NAME, "client")


# --- what a message says ---------------------------------------------------------------------------------------------


def message(**fields: Any) -> Any:
    given = {"id": 7, "peer_id": types.PeerChannel(1), "date": datetime(2026, 7, 1, tzinfo=UTC), "message": "words"}
    made = read_back(types.Message(**{**given, "post": True, "entities": [], **fields}))
    made._finish_init(_Empty(), {}, None)
    return made


class _Empty:
    _self_id = None
    _mb_entity_cache = None
    parse_mode = None


def test_a_hidden_link_is_content() -> None:
    here = message(entities=[types.MessageEntityTextUrl(0, 5, "https://example.com/a")])
    there = message(entities=[types.MessageEntityTextUrl(0, 5, "https://example.com/b")])
    assert shown_of([here], NAME).text == shown_of([there], NAME).text
    assert shown_of([here], NAME).digest != shown_of([there], NAME).digest


def test_a_hidden_edit_is_none() -> None:
    later = datetime(2026, 7, 2, tzinfo=UTC)
    assert shown_of([message(edit_date=later)], NAME).edited_at == later
    assert shown_of([message(edit_date=later, edit_hide=True)], NAME).edited_at is None


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (types.PhotoSize("y", 8, 8, 1_000), 1_000),
        (types.PhotoSizeProgressive("y", 8, 8, [10, 2_000]), 2_000),
        (types.PhotoCachedSize("s", 8, 8, b"12345"), 5),
        (types.PhotoSize("y", 8, 8, 50 * 1024 * 1024), 0),
        (types.PhotoSizeEmpty("y"), 0),
    ],
)
def test_pictures_that_are_too_large_are_left_alone(size: Any, expected: int) -> None:
    photo = types.Photo(9, 1, b"", datetime(2026, 7, 1, tzinfo=UTC), [size], 2)
    assert picture_bytes(message(media=types.MessageMediaPhoto(photo=photo))) == expected


def test_the_picture_of_a_linked_page_is_not_the_posts() -> None:
    photo = types.Photo(9, 1, b"", datetime(2026, 7, 1, tzinfo=UTC), [types.PhotoSize("y", 8, 8, 99)], 2)
    page = types.WebPage(1, "https://example.com", "example.com", 0, photo=photo)
    linked = message(media=types.MessageMediaWebPage(webpage=page))
    assert picture_bytes(linked) == 0
    assert shown_of([linked], NAME).pictures == ()


def test_an_album_is_one_post() -> None:
    group = [message(id=number, grouped_id=5, message="words" if number == 7 else "") for number in (8, 7, 9)]
    (album,) = posts_of(group, NAME)
    assert (album.members, album.text) == ((7, 8, 9), "words")


def test_posts_after_an_empty_beginning_are_all_read() -> None:
    world = World()
    world.channel(NAME)
    empty = run(world, fresh()).outcome
    for number in range(30):
        world.post(NAME, f"post {number}")
    assert [version.id for version in run(world, empty.memory).outcome.versions] == list(range(1, 31))


# --- the property ----------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("post"), st.integers(1, 70)),
        st.tuples(st.just("album"), st.integers(2, 5)),
        st.tuples(st.just("edit"), st.integers(0, 200)),
        st.tuples(st.just("delete"), st.integers(0, 200)),
        st.tuples(st.sampled_from(["crawl", "killed before", "killed after"]), st.just(0)),
    ),
    max_size=20,
)


@dataclass
class Life:
    """A channel, its crawler's memory, and everything that reached the broker."""

    world: World = field(default_factory=World)
    memory: Memory = field(default_factory=fresh)
    delivered: dict[tuple[int, int], str] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    ever: list[int] = field(default_factory=list)
    texts: int = 0

    def text(self) -> str:
        self.texts += 1
        return f"text {self.texts}"

    def step(self, what: str, number: int) -> None:
        if what == "post":
            self.ever += [self.world.post(NAME, self.text())[0] for _ in range(number)]
        elif what == "album":
            self.ever += self.world.post(NAME, self.text(), photos=number)[:1]
        elif what == "edit" and (left := self.left()):
            moment = datetime(2026, 7, 20, tzinfo=UTC) + timedelta(seconds=self.texts)
            self.world.edit(NAME, left[-1 - number % min(len(left), 15)], self.text(), at=moment.isoformat())
        elif what == "delete" and len(left := self.left()) > 3:
            chosen = self.world.channel(NAME).messages[left[-1 - number % (len(left) - 1)]]
            others = [one.id for one in self.world.channel(NAME).messages.values() if one.group == chosen.group]
            self.world.delete(NAME, others if chosen.group else [chosen.id])
        elif "crawl" in what or "killed" in what:
            self.run(what)

    def left(self) -> list[int]:
        return [number for number in self.ever if number in self.world.channel(NAME).messages]

    def run(self, how: str) -> None:
        outcome = run(self.world, self.memory).outcome
        if how != "killed before":
            for version in outcome.versions:
                key, text = (version.id, version.revision), version.shown.text
                assert self.delivered.setdefault(key, text) == text, "two contents under one key"
            self.gone.update(outcome.gone)
        if how == "crawl":
            self.memory = recall(remember(outcome.memory), NAME, "client")

    def is_behind(self) -> bool:
        return self.memory.top < max(self.world.channel(NAME).messages)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_every_post_arrives_once_in_every_version_that_was_seen(steps: list[tuple[str, int]]) -> None:
    life = Life()
    life.step("post", 2)
    life.run("crawl")
    for what, number in steps:
        life.step(what, number)
    life.run("crawl")
    while life.is_behind():
        life.run("crawl")
    contents = [(post_id, text) for (post_id, _), text in life.delivered.items()]
    assert len(contents) == len(set(contents)), "one content arrived twice"
    for post_id in life.left():
        assert any(key[0] == post_id for key in life.delivered), f"post {post_id} never arrived"
    for post_id in life.left()[-15:]:
        newest = life.world.channel(NAME).messages[post_id].text
        assert (post_id, newest) in set(contents), f"the last version of {post_id} never arrived"
    assert life.gone.isdisjoint(life.left())
