"""Near-duplicates: a 64-bit simhash of a text's 3-grams (Charikar 2002), compared through 16-bit bands."""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np

DISTANCE: Final = 3
"""Largest Hamming distance of near-duplicates; four bands find every pair up to it (pigeonhole)."""
_SHORTEST: Final = 24
"""Letters below which a text is too common to say that two posts tell the same story."""
_LONGEST: Final = 5_000
_NAMES = re.compile(r"https?://\S+|@\w+")
_SIGNS = re.compile(r"[\W_]+")
_MIX: Final = tuple(np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def simhash(text: str) -> int | None:
    """Signed 64-bit simhash of `text` without case, links, handles and punctuation; None when too short to tell."""
    letters = _SIGNS.sub("", _NAMES.sub("", text.casefold()))[:_LONGEST]
    if len(letters) < _SHORTEST and len(letters.encode()) < 2 * _SHORTEST:
        return None
    codes = np.frombuffer(letters.encode("utf-32-le", "replace"), dtype="<u4").astype(np.uint64)
    hashes = _scramble(codes[:-2] * np.uint64(1 << 42) + codes[1:-1] * np.uint64(1 << 21) + codes[2:])
    bits = np.unpackbits(hashes.view(np.uint8).reshape(-1, 8), axis=1)
    majority = np.packbits(bits.sum(axis=0) * 2 > len(hashes))
    return int.from_bytes(majority.tobytes(), "little", signed=True)


def bands(value: int) -> list[int]:
    """Four keys of a simhash, one for each 16 bits, each with its place: near-duplicates share at least one."""
    unsigned = value & 0xFFFF_FFFF_FFFF_FFFF
    return [(place << 16) | (unsigned >> (16 * place)) & 0xFFFF for place in range(4)]


def is_near(one: int, other: int) -> bool:
    """Do two simhashes differ in at most DISTANCE bits?"""
    return ((one ^ other) & 0xFFFF_FFFF_FFFF_FFFF).bit_count() <= DISTANCE


def _scramble(values: Any) -> Any:
    # splitmix64's finaliser: every input bit changes about half of the output bits.
    values = values + _MIX[0]
    values = (values ^ (values >> np.uint64(30))) * _MIX[1]
    values = (values ^ (values >> np.uint64(27))) * _MIX[2]
    return values ^ (values >> np.uint64(31))
