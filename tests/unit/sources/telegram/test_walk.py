"""Every post once, in every version: a channel that lives on while its crawler is killed at any moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.sources.adapters.telegram.ledger import Memory, recall, remember
from apps.sources.adapters.telegram.page import Page, read_page
from apps.sources.adapters.telegram.walk import Outcome, Walk
from tests.outside.telegram.pages import page
from tests.outside.telegram.world import World
from tradebot.contracts.errors import PermanentError

BASE = "https://t.me"
NAME = "sample"


def crawl(world: World, memory: Memory, *, overlap: int = 20, pages: int = 3) -> tuple[Outcome, list[str]]:
    walk = Walk(memory, BASE, overlap, pages)
    asked = []
    while True:
        asked.append(walk.url)
        if not walk.take(_answer(world, walk.url)):
            return walk.outcome(), asked


def _answer(world: World, url: str) -> Page:
    query = parse_qs(urlsplit(url).query)
    before = int(query["before"][0]) if "before" in query else None
    return read_page(page(world.channel(NAME), before, BASE).encode(), NAME, url)


def fresh() -> Memory:
    return recall({}, NAME, "preview")


def sent(outcome: Outcome) -> list[int]:
    return [version.id for version in outcome.versions]


@pytest.fixture
def world() -> World:
    return World()


def test_a_new_channel_starts_with_its_newest_page(world: World) -> None:
    for number in range(60):
        world.post(NAME, f"post {number}")
    outcome, asked = crawl(world, fresh())
    assert sent(outcome) == list(range(41, 61))
    assert asked == ["https://t.me/s/sample"]


def test_nothing_new_costs_one_page(world: World) -> None:
    for number in range(60):
        world.post(NAME, f"post {number}")
    outcome, asked = crawl(world, crawl(world, fresh())[0].memory)
    assert (sent(outcome), len(asked)) == ([], 1)


def test_pages_are_asked_for_down_to_what_is_known(world: World) -> None:
    world.post(NAME, "first")
    memory = crawl(world, fresh())[0].memory
    for number in range(45):
        world.post(NAME, f"post {number}", skip=number % 3)
    outcome, asked = crawl(world, memory)
    assert len(outcome.versions) == 45
    assert len(asked) == 3
    assert outcome.memory.gaps == []


def test_what_is_too_much_for_one_run_is_read_by_the_next(world: World) -> None:
    world.post(NAME, "first")
    memory = crawl(world, fresh())[0].memory
    for number in range(150):
        world.post(NAME, f"post {number}")
    seen: list[int] = []
    runs = 0
    while runs == 0 or memory.gaps:
        outcome, asked = crawl(world, memory)
        memory, runs = outcome.memory, runs + 1
        assert len(asked) <= 3
        seen += sent(outcome)
    assert sorted(seen) == list(range(2, 152))
    assert len(seen) == len(set(seen))


def test_deletions_and_gaps_are_told_apart(world: World) -> None:
    for number in range(10):
        world.post(NAME, f"post {number}", skip=1)
    outcome, _ = crawl(world, fresh())
    world.delete(NAME, [6])
    again, _ = crawl(world, outcome.memory)
    assert (outcome.gone, again.gone, sent(again)) == ([], [6], [])


def test_the_newest_post_is_not_called_gone_before_another_follows(world: World) -> None:
    for number in range(3):
        world.post(NAME, f"post {number}")
    memory = crawl(world, fresh())[0].memory
    world.delete(NAME, [3])
    outcome, _ = crawl(world, memory)
    assert outcome.gone == []
    world.post(NAME, "another")
    assert crawl(world, outcome.memory)[0].gone == [3]


def test_another_channel_of_the_same_name_is_refused(world: World) -> None:
    world.post(NAME, "ours")
    memory = crawl(world, fresh())[0].memory
    world.channel(NAME).id += 1
    with pytest.raises(PermanentError, match="is another channel now"):
        crawl(world, memory)


def test_an_emptied_channel_is_said(world: World) -> None:
    world.post(NAME, "ours")
    memory = crawl(world, fresh())[0].memory
    world.delete(NAME, [1])
    with pytest.raises(PermanentError, match="shows no posts, though 1 were seen before"):
        crawl(world, memory)


def test_an_empty_channel_that_is_new_is_no_error(world: World) -> None:
    world.channel(NAME)
    empty, _ = crawl(world, fresh())
    assert empty.versions == []
    for number in range(30):
        world.post(NAME, f"post {number}")
    assert sent(crawl(world, empty.memory)[0]) == list(range(1, 31))


def test_a_server_that_does_not_page_is_not_asked_for_ever(world: World) -> None:
    for number in range(60):
        world.post(NAME, f"post {number}")
    walk = Walk(msgspec.structs.replace(fresh(), begun=True, top=1), BASE, 20, 3)
    same = _answer(world, walk.url)
    assert walk.take(same)
    with pytest.raises(PermanentError, match="paging has changed"):
        walk.take(same)


# --- the property ----------------------------------------------------------------------------------------------------

Step = tuple[str, int]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("post"), st.integers(1, 30)),
        st.tuples(st.just("album"), st.integers(2, 5)),
        st.tuples(st.just("edit"), st.integers(0, 200)),
        st.tuples(st.just("delete"), st.integers(0, 200)),
        st.tuples(st.sampled_from(["crawl", "killed before", "killed after"]), st.just(0)),
    ),
    max_size=25,
)


@dataclass
class Life:
    """A channel, its crawler's memory, and everything that reached the broker."""

    world: World = field(default_factory=World)
    memory: Memory = field(default_factory=fresh)
    delivered: dict[tuple[int, int], str] = field(default_factory=dict)
    ever: list[int] = field(default_factory=list)
    texts: int = 0

    def step(self, what: str, number: int) -> None:
        {"post": self.post, "album": self.album, "edit": self.edit, "delete": self.delete}.get(what, self.run)(
            number if what in {"post", "album", "edit", "delete"} else what
        )

    def text(self) -> str:
        self.texts += 1
        return f"text {self.texts}"

    def post(self, count: Any) -> None:
        self.ever += [self.world.post(NAME, self.text(), skip=number % 2)[0] for number in range(count)]

    def album(self, pictures: Any) -> None:
        self.ever += self.world.post(NAME, self.text(), photos=pictures)[:1]

    def edit(self, number: Any) -> None:
        if left := self.left():
            self.world.edit(NAME, left[-1 - number % min(len(left), 15)], self.text())

    def delete(self, number: Any) -> None:
        if len(left := self.left()) > 3:
            message = self.world.channel(NAME).messages[left[-1 - number % (len(left) - 1)]]
            members = [one.id for one in self.world.channel(NAME).messages.values() if one.group == message.group]
            self.world.delete(NAME, members if message.group else [message.id])

    def left(self) -> list[int]:
        return [number for number in self.ever if number in self.world.channel(NAME).messages]

    def run(self, how: Any) -> None:
        if not self.left():
            return
        outcome, _ = crawl(self.world, self.memory)
        if how != "killed before":
            for version in outcome.versions:
                self.take(version.id, version.revision, version.shown.text)
        if how == "crawl":
            self.memory = recall(remember(outcome.memory), NAME, "preview")

    def take(self, post_id: int, revision: int, text: str) -> None:
        # As the rows downstream: the first content under a key stays.
        assert self.delivered.setdefault((post_id, revision), text) == text, "two contents under one key"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_every_post_arrives_once_in_every_version_that_was_seen(steps: list[Step]) -> None:
    life = Life()
    life.post(2)
    life.run("crawl")
    for what, number in steps:
        life.step(what, number)
    life.run("crawl")
    while life.memory.gaps:
        life.run("crawl")
    arrived = list(life.delivered.items())
    contents = [(post_id, text) for (post_id, _), text in arrived]
    assert len(contents) == len(set(contents)), "one content arrived twice"
    for post_id in life.left():
        assert any(key[0] == post_id for key in life.delivered), f"post {post_id} never arrived"
    for post_id in life.left()[-15:]:
        newest = life.world.channel(NAME).messages[post_id].text
        assert (post_id, newest) in set(contents), f"the last version of {post_id} never arrived"
