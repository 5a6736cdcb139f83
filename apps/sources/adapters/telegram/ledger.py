"""What is known of a channel's newest posts, and what follows when some of them are shown again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from apps.sources.adapters.telegram.posts import Shown, Version

MOST_KNOWN = 50
STEP = 10**10
"""Revisions of a source that tells no edit time: `n * STEP + digest` for the n-th edit. Later ones are greater, and two
versions that were both first seen from the same memory (a crawl was killed in between) still differ."""
_MICROSECONDS = 10**6
_VERSION = 1


class Known(msgspec.Struct, frozen=True, array_like=True):
    """One post that was sent. `digest` is empty where it was read in another mode. `letters`: had it words?"""

    id: int
    digest: str
    revision: int
    members: list[int]
    letters: bool


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """A source's state. `begun`: it was read before; `top` is the highest id read, `gaps` (low, high) between which ids
    are still to be read, `number` Telegram's own id of the channel, `access` what a session needs to ask for it."""

    channel: str = ""
    mode: str = ""
    v: int = _VERSION
    begun: bool = False
    top: int = 0
    known: list[Known] = []
    gaps: list[tuple[int, int]] = []
    number: int | None = None
    access: dict[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What is to be sent, what is gone, and what is known afterwards."""

    versions: list[Version]
    gone: list[int]
    known: list[Known]


def recall(state: object, channel: str, mode: str) -> Memory:
    """The memory in a stored state; an empty one when it is another channel's or of another form. Content read in
    another mode is not compared: the two show the same post a little differently."""
    try:
        memory = msgspec.convert(state, Memory)
    except msgspec.ValidationError:
        return Memory(channel=channel, mode=mode)
    if memory.v != _VERSION or memory.channel.casefold() != channel.casefold():
        return Memory(channel=channel, mode=mode)
    memory = msgspec.structs.replace(memory, channel=channel)
    if memory.mode == mode:
        return memory
    forgotten = [msgspec.structs.replace(entry, digest="") for entry in memory.known]
    return msgspec.structs.replace(memory, mode=mode, known=forgotten)


def remember(memory: Memory) -> dict[str, Any]:
    """The memory as JSON."""
    built: dict[str, Any] = msgspec.to_builtins(memory)
    return built


def settle(shown: Iterable[Shown], known: Sequence[Known], stretch: tuple[int, int] | None = None) -> Settled:
    """Compare one unbroken stretch of a channel with what is known of it.

    Known posts inside the stretch that are not shown are gone. It reaches from the lowest id shown to the highest; or
    over `stretch`, both ends included, where the source answered for all of that.
    """
    posts = sorted({post.id: post for post in shown}.values(), key=lambda post: post.id)
    by_member = {member: entry for entry in known for member in entry.members}
    versions: list[Version] = []
    now = {entry.id: entry for entry in known}
    for post in posts:
        entry = next((by_member[member] for member in post.members if member in by_member), None)
        if version := _version(post, entry):
            versions.append(version)
        if post.readable or entry:
            now[entry.id if entry else post.id] = _entry(post, entry, version)
    gone = _gone(known, posts, stretch)
    left = [now[key] for key in sorted(now) if key not in gone]
    return Settled(versions, sorted(gone), left[-MOST_KNOWN:])


def lost_their_words(shown: Iterable[Shown], known: Sequence[Known]) -> bool:
    """Whether every post that had words, two at least, has none any more: then the page's markup has changed, for
    Telegram lets nobody empty a text."""
    had = {member for entry in known if entry.letters for member in entry.members}
    again = [post for post in shown if had.intersection(post.members)]
    return len(again) >= 2 and not any(post.text for post in again)


def _version(post: Shown, entry: Known | None) -> Version | None:
    if not post.readable:
        return None
    if entry is None:
        return Version(post.id, _first_revision(post), post)
    changed = entry.digest != post.digest if entry.digest else post.edited and not entry.revision
    return Version(entry.id, _next_revision(post, entry.revision), post) if changed else None


def _entry(post: Shown, entry: Known | None, version: Version | None) -> Known:
    if entry is None:
        revision = version.revision if version else 0
        return Known(post.id, post.digest, revision, list(post.members), bool(post.text))
    if not post.readable:
        return entry
    revision = version.revision if version else entry.revision
    members = sorted({*entry.members, *post.members})
    return Known(entry.id, post.digest, revision, members, bool(post.text))


def _first_revision(post: Shown) -> int:
    return _next_revision(post, 0) if post.edited else 0


def _next_revision(post: Shown, known: int) -> int:
    """From the time of the edit where the source tells it, else by counting; always greater than `known`."""
    number = int(post.digest, 16)
    if post.edited_at:
        told = int(post.edited_at.timestamp()) * _MICROSECONDS + number % _MICROSECONDS
        if told > known:
            return told
    return (known // STEP + 1) * STEP + number % STEP


def _gone(known: Sequence[Known], posts: Sequence[Shown], stretch: tuple[int, int] | None) -> set[int]:
    seen = {member for post in posts for member in post.members}
    if not (seen or stretch):
        return set()
    low, high = stretch or (min(seen), max(seen))
    return {entry.id for entry in known if low <= entry.id <= high and not seen.intersection(entry.members)}


def after_deletion(known: Sequence[Known], ids: Collection[int]) -> tuple[list[int], list[Known]]:
    """Posts that are gone now that messages `ids` were deleted, and what stays known. An album of which a part is left
    is an edited post, and its next reading tells so."""
    gone = {entry.id for entry in known if set(entry.members) <= set(ids)}
    strangers = set(ids) - {member for entry in known for member in entry.members}
    return sorted(gone | strangers), [entry for entry in known if entry.id not in gone]
