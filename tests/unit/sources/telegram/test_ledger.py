"""What follows when posts are shown again: versions, revisions, deletions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from apps.sources.adapters.telegram.ledger import (
    MOST_KNOWN,
    STEP,
    Known,
    after_deletion,
    lost_their_words,
    recall,
    remember,
    settle,
)
from apps.sources.adapters.telegram.posts import Shown, message

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def shown(post_id: int, text: str = "words", *, members: int = 1, edited: bool = False, at_edit: int = 0) -> Shown:
    return Shown(
        members=tuple(range(post_id, post_id + members)),
        at=NOON,
        author="sample",
        text=text,
        edited=edited or bool(at_edit),
        edited_at=NOON + timedelta(seconds=at_edit) if at_edit else None,
    )


def test_a_post_is_sent_once() -> None:
    first = settle([shown(7)], [])
    assert [(version.id, version.revision) for version in first.versions] == [(7, 0)]
    assert settle([shown(7)], first.known).versions == []


def test_each_edit_is_a_greater_revision() -> None:
    known: list[Known] = []
    revisions = []
    for text in ("one", "two", "three", "two"):
        settled = settle([shown(7, text, edited=text != "one")], known)
        known = settled.known
        revisions += [version.revision for version in settled.versions]
    assert revisions[0] == 0
    assert revisions == sorted(set(revisions))
    assert [revision // STEP for revision in revisions] == [0, 1, 2, 3]


def test_an_edit_time_is_the_revision() -> None:
    first = settle([shown(7, "one")], [])
    second = settle([shown(7, "two", at_edit=30)], first.known)
    third = settle([shown(7, "three", at_edit=60)], second.known)
    assert [one.versions[0].revision // 10**6 for one in (second, third)] == [
        int(NOON.timestamp()) + 30,
        int(NOON.timestamp()) + 60,
    ]


def test_two_edits_within_one_second_still_rise() -> None:
    known = settle([shown(7, "one")], []).known
    revisions: list[int] = []
    for text in ("two", "three", "four"):
        settled = settle([shown(7, text, at_edit=30)], known)
        known, revisions = settled.known, [*revisions, settled.versions[0].revision]
    assert revisions == sorted(set(revisions))


def test_after_an_edit_time_counting_still_rises() -> None:
    timed = settle([shown(7, "two", at_edit=30)], [])
    counted = settle([shown(7, "three", edited=True)], timed.known)
    assert counted.versions[0].revision > timed.versions[0].revision
    assert counted.versions[0].revision < 2**63


def test_two_versions_first_seen_from_the_same_memory_differ() -> None:
    known = settle([shown(7, "one")], []).known
    lost, again = settle([shown(7, "two")], known), settle([shown(7, "three")], known)
    assert lost.versions[0].revision != again.versions[0].revision


def test_a_reaction_is_no_edit() -> None:
    known = settle([shown(7, "same")], []).known
    assert settle([shown(7, "same", at_edit=99)], known).versions == []


def test_only_what_was_seen_can_be_gone() -> None:
    known = settle([shown(number) for number in (5, 6, 8, 9)], []).known
    settled = settle([shown(5), shown(9)], known)
    assert settled.gone == [6, 8]
    assert settle([shown(5), shown(9)], settled.known).gone == []


def test_what_lies_outside_of_the_page_is_not_gone() -> None:
    known = settle([shown(number) for number in (5, 6, 8, 9)], []).known
    assert settle([shown(6), shown(8)], known).gone == []
    assert settle([], known).gone == []


def test_a_source_that_answered_for_more_tells_of_more() -> None:
    known = settle([shown(number) for number in (5, 6, 8, 9)], []).known
    assert settle([shown(6), shown(8)], known, (5, 9)).gone == [5, 9]


def test_an_album_keeps_its_id_when_its_first_picture_goes() -> None:
    known = settle([shown(10, members=3)], []).known
    left = Shown(members=(11, 12), at=NOON, author="sample", text="words", marks=("fewer",))
    settled = settle([left], known)
    assert [version.id for version in settled.versions] == [10]
    assert settled.gone == []


def test_a_picture_that_comes_late_belongs_to_its_album() -> None:
    known = settle([shown(10, members=2)], []).known
    whole = Shown(members=(10, 11, 12), at=NOON, author="sample", text="words", marks=("more",))
    assert [(version.id, version.revision // STEP) for version in settle([whole], known).versions] == [(10, 1)]


def test_only_a_whole_album_is_deleted() -> None:
    known = settle([shown(10, members=3), shown(20)], []).known
    assert after_deletion(known, [10, 11]) == ([], known)
    gone, left = after_deletion(known, [10, 11, 12])
    assert (gone, [entry.id for entry in left]) == ([10], [20])
    assert after_deletion(known, [3])[0] == [3]


def test_words_that_all_vanish_mean_other_markup() -> None:
    known = settle([shown(number) for number in (5, 6)], []).known
    assert lost_their_words([shown(5, ""), shown(6, "")], known)
    assert not lost_their_words([shown(5, ""), shown(6)], known)
    assert not lost_their_words([shown(5, "")], known)


def test_the_newest_fifty_are_remembered() -> None:
    known = settle([shown(number) for number in range(1, 100)], []).known
    assert [entry.id for entry in known] == list(range(100 - MOST_KNOWN, 100))


def test_memory_survives_as_json_and_nothing_else_does() -> None:
    memory = recall({}, "Sample", "preview")
    assert recall(remember(memory), "sample", "preview").channel == "sample"
    others: list[object] = [None, [], {"v": 99}, {"known": "x"}, {"channel": "other", "top": 9}]
    for broken in others:
        assert recall(broken, "sample", "preview").top == 0


def test_another_mode_does_not_compare_content() -> None:
    known = settle([shown(7, "as the preview shows it")], []).known
    state = remember(recall({}, "sample", "preview")) | {"known": [list(entry_fields(entry)) for entry in known]}
    memory = recall(state, "sample", "client")
    assert settle([shown(7, "as the client shows it")], memory.known).versions == []
    edited = settle([shown(7, "as the client shows it", at_edit=9)], memory.known)
    assert [version.id for version in edited.versions] == [7]


def entry_fields(entry: Known) -> tuple[object, ...]:
    return (entry.id, entry.digest, entry.revision, entry.members, entry.letters)


def test_a_post_without_words_and_usable_pictures_is_no_message() -> None:
    version = settle([Shown(members=(7,), at=NOON, author="sample", pictures=("x",))], []).versions[0]
    assert message(version, "sample", []) is None
