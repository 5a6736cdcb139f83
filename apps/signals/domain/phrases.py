"""Many regular expressions looked for at once, each only where a piece of plain text that it needs occurs."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache

_QUANTIFIERS = ("?", "*", "{")
_SPECIAL = frozenset("\\.^$+?*{}[]|()")
_NOT_READ = ("(?!", "(?=", "(?<")
_START = 4
"""Letters of a piece that are looked up."""


class Phrases:
    """Alternatives over lower-case text; `frame` is put around each.

    A match of an alternative holds at least one of its `needed` pieces; most texts hold few of them, so nearly all
    alternatives cost no more than not finding the first letters of a piece among those of the text.
    """

    def __init__(self, alternatives: Iterable[str], frame: str = "{}") -> None:
        self._each = [(needed(one), re.compile(frame.replace("{}", f"(?:{one})"))) for one in alternatives]
        self._always = frozenset(place for place, (pieces, _) in enumerate(self._each) if not pieces)
        self._by_start: dict[str, list[int]] = defaultdict(list)
        for place, (pieces, _) in enumerate(self._each):
            for piece in pieces:
                self._by_start[piece[:_START]].append(place)
        # Two sets are intersected in the time of the smaller; a view of a dict's keys is not.
        self._known = frozenset(self._by_start)

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        """All matches of all alternatives, which may overlap."""
        for _, pattern in self._likely(text):
            yield from pattern.finditer(text)

    def search(self, text: str) -> re.Match[str] | None:
        """The first match by place, of those that begin together the longest."""
        hits = (hit for _, pattern in self._likely(text) if (hit := pattern.search(text)))
        return min(hits, key=lambda hit: (hit.start(), -hit.end()), default=None)

    def found(self, text: str) -> Iterator[tuple[int, re.Match[str]]]:
        """The first match of each alternative that has one, with its place among the alternatives."""
        for place, pattern in self._likely(text):
            if hit := pattern.search(text):
                yield place, hit

    def _likely(self, text: str) -> Iterator[tuple[int, re.Pattern[str]]]:
        """The alternatives that may match, in their order."""
        begun = [self._by_start[start] for start in self._known & _starts(text)]
        if not begun and not self._always:
            return
        for place in sorted(self._always.union(*begun)):
            pieces, pattern = self._each[place]
            if not pieces or any(piece in text for piece in pieces):
                yield place, pattern


@lru_cache(maxsize=8)
def _starts(text: str) -> frozenset[str]:
    """Every piece of a text of at most _START letters."""
    return frozenset(text[at : at + size] for size in range(1, _START + 1) for at in range(len(text) - size + 1))


def needed(pattern: str) -> tuple[str, ...]:
    """Pieces of plain text, one of which every match of `pattern` holds; none where that is not plain to see."""
    found = [_of_sequence(each) for each in _branches(pattern)]
    return tuple(dict.fromkeys(piece for pieces in found for piece in pieces)) if all(found) else ()


def _of_sequence(pattern: str) -> tuple[str, ...]:
    """The best of what stands in a pattern without branches: what makes it hardest to be there by chance."""
    candidates = [((run,) if plain else needed(run)) for plain, run in _parts(pattern) if run]
    return max(filter(None, candidates), key=lambda pieces: (min(map(len, pieces)), -len(pieces)), default=())


def _parts(pattern: str) -> Iterator[tuple[bool, str]]:
    """The runs of plain text (True) and the groups (False) that must occur."""
    place, run = 0, ""
    while place < len(pattern):
        end = _end(pattern, place)
        optional = pattern[end : end + 1] in _QUANTIFIERS and end < len(pattern)
        part = pattern[place:end]
        if part not in _SPECIAL and len(part) == 1 and not optional:
            run += part
        else:
            yield True, run
            run = ""
        if part.startswith("(") and not optional and not part.startswith(_NOT_READ):
            yield False, part[3:-1] if part.startswith("(?:") else part[1:-1]
        place = end
    yield True, run


def _branches(pattern: str) -> Iterator[str]:
    start = place = 0
    while place < len(pattern):
        if pattern[place] == "|":
            yield pattern[start:place]
            start = place + 1
        place = _end(pattern, place)
    yield pattern[start:]


def _end(pattern: str, place: int) -> int:
    """Where the letter, escape, class, group or quantifier that begins at `place` ends."""
    if pattern[place] == "\\":
        return place + (4 if pattern[place + 1] == "x" else 2)
    if pattern[place] == "[":
        return pattern.index("]", place + 2) + 1
    if pattern[place] == "{":
        return pattern.index("}", place) + 1
    if pattern[place] != "(":
        return place + 1
    place += 1
    while pattern[place] != ")":
        place = _end(pattern, place)
    return place + 1
