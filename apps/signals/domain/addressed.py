"""Whether a post is meant for the machine that reads it: orders to models, dictated verdicts, machine formats."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

_SAYS = {
    "format": "it is written in a form that only machines use",
    "override": "it tells the reading machine to leave its rules",
    "dictated": "it dictates a verdict",
    "addressee": "it speaks to the machine that reads it",
}
READ = 20_000
"""Characters that are looked at."""
_WORD = re.compile(r"[a-z0-9]+")
_DIGITS = str.maketrans("013457", "oieast")
"""Digits that stand for letters in "1gn0r3"."""


def addressed(text: str) -> str:
    """Why a post must not be acted on: its words are for us and not for people. Empty where there is no sign of it."""
    plain = text[:READ].casefold().replace("’", "'")
    return _found(text, plain) or _found(text, _WORD.sub(_unmasked, plain))


def _unmasked(word: re.Match[str]) -> str:
    """Numbers stay numbers: only digits among letters stand for letters."""
    found = word.group()
    return found if found.isdigit() else found.translate(_DIGITS)


def _found(text: str, plain: str) -> str:
    for kind, pattern in _patterns().items():
        if hit := pattern.search(plain):
            shown = " ".join(text[slice(*hit.span())].split()) if len(plain) == len(text) else " ".join(hit[0].split())
            return f"{_SAYS[kind]}: “{shown[:80]}”"
    return ""


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    lists = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    readers = {name: f"(?:{'|'.join(lists.pop(name))})" for name in ("reader", "reader_zh")}
    return {kind: re.compile("|".join(_filled(each, readers) for each in lists[kind])) for kind in _SAYS}


def _filled(pattern: str, readers: dict[str, str]) -> str:
    for name, words in readers.items():
        pattern = pattern.replace(f"{{{name}}}", words)
    return pattern
