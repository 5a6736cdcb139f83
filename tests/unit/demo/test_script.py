"""The sample posts themselves: every line fits the contract, every moment fits its line, every picture is there."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from PIL import Image

from apps.exchanges.paper.listing import default_listings
from apps.sources.domain.intake import read_crawler_message, read_line
from apps.strategies.domain.spec import parse_spec
from tradebot.contracts.messages import CrawlerMessage
from workers.demo import cast
from workers.demo.script import FOLDER, MOMENTS, POSTS, Beat, compose
from workers.ingest import rebase

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SOURCES = frozenset({"twitter", "telegram", "rss"})


@pytest.fixture(scope="module")
def beats() -> list[Beat]:
    raws = rebase([dict(read_line(line)) for line in POSTS.read_bytes().splitlines()], NOW)
    messages = [read_crawler_message(raw, allowed_sources=SOURCES, now=NOW, trust=True) for raw in raws]
    return compose(messages, json.loads(MOMENTS.read_text(encoding="utf-8")))


def said_by(beats: list[Beat], source: str) -> list[CrawlerMessage]:
    return [beat.message for beat in beats if beat.message.source == source]


def test_there_are_posts_of_every_source_in_both_languages(beats: list[Beat]) -> None:
    assert len(beats) >= 24
    assert all(said_by(beats, source) for source in SOURCES)
    assert any("\u4e00" <= mark <= "\u9fff" for beat in beats for mark in beat.message.data)


def test_every_line_has_its_moment(beats: list[Beat]) -> None:
    assert len(json.loads(MOMENTS.read_text(encoding="utf-8"))) == len(beats)


def test_roots_are_fixed_and_differ_for_every_sighting(beats: list[Beat]) -> None:
    roots = [beat.message.root_id for beat in beats]
    assert len(set(roots)) == len(roots)
    assert roots == [beat.message.root_id for beat in compose([beat.message for beat in beats], moments())]


def moments() -> dict[str, dict[str, object]]:
    read: dict[str, dict[str, object]] = json.loads(MOMENTS.read_text(encoding="utf-8"))
    return read


def test_a_post_builds_only_on_posts_before_it(beats: list[Beat]) -> None:
    earlier: set[str] = set()
    for beat in beats:
        assert set(beat.after) <= earlier
        earlier.add(beat.message.id)


def test_prices_are_of_listed_pairs_and_on_their_tick(beats: list[Beat]) -> None:
    listings = default_listings()
    for pair, price in ((pair, price) for beat in beats for pair, price in beat.prices.items()):
        assert price % listings[pair.replace("/", "")].tick == 0, pair


def test_a_pair_that_trades_has_a_price_of_its_moment(beats: list[Beat]) -> None:
    for beat in beats:
        assert {order.pair for order in beat.orders} <= set(beat.prices)


def test_two_posts_that_move_the_same_pair_come_one_after_the_other(beats: list[Beat]) -> None:
    moved: dict[str, str] = {}
    for beat in beats:
        for pair in beat.prices:
            assert pair not in moved or moved[pair] in beat.after, pair
            moved[pair] = beat.message.id


def test_all_but_the_stale_post_are_young_enough_for_their_strategies(beats: list[Beat]) -> None:
    old = [
        beat.message.id for beat in beats if (NOW - beat.message.timestamp).total_seconds() > cast.PATIENCE_SECONDS / 2
    ]
    assert old == ["demo-halving"]


def test_pictures_are_there_and_small(beats: list[Beat]) -> None:
    paths = [FOLDER / url for beat in beats for url in beat.message.media_urls]
    assert len(paths) >= 4
    assert sum(path.stat().st_size for path in paths) < 1_000_000
    for path in paths:
        with Image.open(path) as picture:
            picture.verify()


@pytest.mark.parametrize("raw", cast.STRATEGIES, ids=lambda raw: raw["name"])
def test_the_strategies_say_what_a_strategy_may_say(raw: dict[str, object]) -> None:
    spec = parse_spec(raw)
    assert spec.cooldown.total_seconds() == 0
    assert not spec.watch_list.any_source


def test_every_trading_post_is_watched_by_exactly_one_strategy(beats: list[Beat]) -> None:
    lists = [parse_spec(raw).watch_list for raw in cast.STRATEGIES]
    for beat in (beat for beat in beats if beat.orders):
        names = {beat.message.author, beat.message.channel} - {""}
        watching = [one for one in lists if names & (one.twitter_users | one.telegram_groups | one.feeds)]
        assert len(watching) == 1, beat.message.id
