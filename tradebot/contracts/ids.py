"""Deterministic ids: the uuid5 of a natural key, so that a redelivery finds the row that the first delivery made."""

from __future__ import annotations

from uuid import UUID, uuid5

_ROOT = UUID("6f1f6a4e-6f1c-5a58-9d0c-7d2a4f3b8c11")


def stable_id(kind: str, *parts: object) -> UUID:
    """uuid5 of `kind` and its key parts. Parts are length-prefixed, so ("a", "bc") and ("ab", "c") differ."""
    return uuid5(_ROOT, "".join(f"{len(text)}:{text}" for text in (kind, *map(str, parts))))
