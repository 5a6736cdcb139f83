"""Recorded answers of the real X (vcrpy cassettes), found again by path and what the recorded request asked for."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import yaml

_KEPT = ("x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset", "api-version")


@dataclass(frozen=True)
class Recording:
    """One answer; `body` as it was before it was packed."""

    name: str
    method: str
    path: str
    query: Mapping[str, str]
    status: int
    headers: Mapping[str, str]
    body: bytes


def recordings(folder: Path) -> list[Recording]:
    """Of every cassette in the folder."""
    return [one for path in sorted(folder.glob("*.yaml")) for one in _of(path)]


def find(known: list[Recording], method: str, path: str, query: Mapping[str, str]) -> Recording | None:
    """The answer to a request that asks for the same; what it asks beyond that was not recorded."""
    for one in known:
        if (one.method, one.path) == (method, path) and one.query.items() <= dict(query).items():
            return one
    return None


def _of(path: Path) -> Iterator[Recording]:
    for entry in yaml.safe_load(path.read_text())["interactions"]:
        request, response = entry["request"], entry["response"]
        address = urlsplit(request["uri"])
        headers = {name.lower(): _one(value) for name, value in response["headers"].items()}
        yield Recording(
            path.stem,
            request["method"],
            address.path,
            dict(parse_qsl(address.query)),
            response["status"]["code"],
            {name: headers[name] for name in _KEPT if name in headers},
            _plain(response["body"]["string"]),
        )


def _one(value: Any) -> str:
    return str(value[0] if isinstance(value, list) else value)


def _plain(body: str | bytes) -> bytes:
    raw = body.encode() if isinstance(body, str) else body
    return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
