"""A request and an answer as every dialect sees them, free of any web server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """`query` and `body` are raw, because signatures cover them as sent."""

    method: str
    path: str
    query: str
    body: str
    headers: Mapping[str, str]
    address: str


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is JSON-ready."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
