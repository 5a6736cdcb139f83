"""Character and word n-grams of a text, hashed into the rows of a table."""

from __future__ import annotations

import re
import unicodedata
import zlib
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from apps.signals.domain.links import unlinked

LONGEST = 5
READ = 4_000
"""Characters of a text that are read."""
_PRIME = np.uint32(0x01000193)
_NAME = re.compile(r"@\w+")
_DIGITS = re.compile(r"\d+")
_WORD = re.compile(r"[a-z0'][a-z0'’]*|[$#!?%]|[^\W\d_a-z]")

Floats = NDArray[np.float32]
Counts = tuple[NDArray[np.int64], Floats]
"""Places in the table, each once, and how often each occurs in the text."""


def plain(text: str) -> str:
    """What is read of a text: one width, lower case, without links, every name an @ and every number a 0."""
    known = unicodedata.normalize("NFKC", text[:READ]).lower()
    return " ".join(_DIGITS.sub("0", _NAME.sub("@", unlinked(known))).split())


def places(text: str, bits: int) -> NDArray[np.int64]:
    """Where the n-grams of a text (see `plain`) stand in a table of 2**bits rows, with repetitions."""
    mask = np.uint32(2**bits - 1)
    letters = np.frombuffer(f" {text} ".encode("utf-32-le"), dtype="<u4").astype(np.uint32)
    found = [_mixed(each) & mask for each in _rolled(letters)]
    words = _WORD.findall(text)
    pairs = [f"{one} {other}" for one, other in pairwise(words)]
    named = np.fromiter((zlib.crc32(each.encode()) for each in (*words, *pairs)), dtype=np.uint32)
    return np.concatenate([*found, named & mask]).astype(np.int64)


def counts(text: str, bits: int) -> Counts:
    """A text's n-grams, as the table wants them."""
    rows, often = np.unique(places(plain(text), bits), return_counts=True)
    return rows, often.astype(np.float32)


def _rolled(letters: NDArray[np.uint32]) -> list[NDArray[np.uint32]]:
    """Hashes of all pieces of one to five letters (FNV-1a over code points)."""
    found = [(np.uint32(0x811C9DC5) ^ letters) * _PRIME]
    for size in range(2, min(LONGEST, len(letters)) + 1):
        found.append((found[-1][:-1] ^ letters[size - 1 :]) * _PRIME)
    return found


def _mixed(hashes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """FNV's low bits know too little of the last letters; murmur3's finaliser spreads them."""
    hashes = (hashes ^ (hashes >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    return hashes ^ (hashes >> np.uint32(13))


def quiet_norm(worth: Floats) -> Floats:
    """The same direction at length 1; nothing stays nothing."""
    found: Floats = worth / np.float32(max(float(np.linalg.norm(worth)), 1e-9))
    return found


def softmax(logits: Floats) -> Floats:
    """Row by row."""
    powers: Floats = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares
