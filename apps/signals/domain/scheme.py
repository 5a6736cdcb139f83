"""Whether a post is part of a scheme against its readers: advance payments, promises, secrets, herds, paid rooms."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

READ = 20_000
"""Characters that are looked at."""
ENOUGH = 2
"""Weak signs that are as good as a strong one."""


class _Signs(NamedTuple):
    strong: Mapping[str, re.Pattern[str]]
    weak: Mapping[str, re.Pattern[str]]


def scheme(text: str) -> str:
    """Why a post must not be acted on, whichever way it points: the signs with their words. Empty where it may."""
    plain = text[:READ].casefold().replace("’", "'")
    signs = _signs()
    strong, weak = _found(signs.strong, plain), _found(signs.weak, plain)
    if not strong and len(weak) < ENOUGH:
        return ""
    return "it reads like a scheme: " + ", ".join((*strong, *weak)[:4])


def _found(patterns: Mapping[str, re.Pattern[str]], plain: str) -> list[str]:
    hits = ((kind, pattern.search(plain)) for kind, pattern in patterns.items())
    return [f"{kind} (“{' '.join(hit[0].split())[:40]}”)" for kind, hit in hits if hit]


@cache
def _signs() -> _Signs:
    lists = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    strong, weak = (
        {kind: re.compile("|".join(words)) for kind, words in lists[part].items()} for part in ("strong", "weak")
    )
    return _Signs(strong, weak)
