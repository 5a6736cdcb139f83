"""The own corpus: well-formed, without copies, and with a held part that nobody trains on."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from apps.signals.training.corpus import BLIND, EVENTS, CorpusPost, Meant, corpus
from apps.sources.domain.near import bands, is_near, simhash

RUN = 6
"""Words in a row that no two posts share."""


@pytest.fixture(scope="module")
def posts() -> list[CorpusPost]:
    return corpus()


def test_every_post_has_an_id_of_its_own_and_a_known_event(posts: list[CorpusPost]) -> None:
    assert [key for key, count in Counter(post.id for post in posts).items() if count > 1] == []
    assert {post.event for post in posts} <= {"", *EVENTS}


def test_no_two_posts_are_near_duplicates(posts: list[CorpusPost]) -> None:
    marks = [(mark, post.id) for post in posts if (mark := simhash(post.text)) is not None]
    by_band: dict[int, list[tuple[int, str]]] = {}
    for mark, key in marks:
        for band in bands(mark):
            by_band.setdefault(band, []).append((mark, key))
    alike = {
        tuple(sorted((one, other)))
        for group in by_band.values()
        for (mark, one), (second, other) in itertools.combinations(group, 2)
        if is_near(mark, second)
    }
    assert alike == set()


def test_no_english_post_repeats_a_run_of_words(posts: list[CorpusPost]) -> None:
    seen: dict[tuple[str, ...], str] = {}
    repeated = []
    for post in posts:
        words = post.text.casefold().split()
        for run in {tuple(words[place : place + RUN]) for place in range(len(words) - RUN + 1)}:
            if seen.setdefault(run, post.id) != post.id:
                repeated.append((seen[run], post.id, " ".join(run)))
    assert repeated == []


def test_directions_moods_and_languages_are_all_frequent(posts: list[CorpusPost]) -> None:
    total = len(posts)
    assert total >= 2000
    for direction in (-1, 0, 1):
        assert sum(post.direction == direction for post in posts) > 0.2 * total
    for mood in Meant:
        assert sum(post.mood == mood for post in posts) > 0.08 * total
    assert sum(post.lang != "en" for post in posts) > 0.15 * total
    assert {post.event for post in posts} == {"", *EVENTS}


def test_about_a_fifth_is_held_and_all_of_what_was_written_blind(posts: list[CorpusPost]) -> None:
    seen = [post for post in posts if not post.id.startswith(f"{BLIND}-")]
    assert 0.15 < sum(post.held for post in seen) / len(seen) < 0.25
    assert all(post.held for post in posts if post.id.startswith(f"{BLIND}-"))


def test_the_numbers_of_a_call_stand_in_its_post(posts: list[CorpusPost]) -> None:
    for post in posts:
        if post.call is not None:
            assert post.call.entry or post.call.stop or post.call.targets, post.id
            assert post.mood in {Meant.INSTRUCTION, Meant.CLAIM, Meant.REPORT}, post.id
