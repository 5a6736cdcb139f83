"""Where in a TOML text a key stands: an error that names its line is found at once."""

from __future__ import annotations

import re

_HEADER = re.compile(r"\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""\s*(?:"([^"]+)"|'([^']+)'|([A-Za-z0-9_-]+))\s*(?:=|\.)""")
_STEP = re.compile(r"([^.\[\]]+)(?:\[(\d+)\])?")


class Lines:
    """The lines of one text. What it tells is a hint for people: tomllib itself keeps no positions."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._headers: list[tuple[str, int]] = []
        self._keys: dict[int, dict[str, int]] = {0: {}}
        self._scan()

    def of(self, path: str, value: str | None = None) -> int:
        """The line (from 1) of `section.key[index]…`, or of `value` below it; 0 when it can't be told."""
        steps = _STEP.findall(path)
        if not steps:
            return 0
        header = self._header(*steps[0])
        keys = self._keys[header]
        at = keys.get(steps[1][0], header) if len(steps) > 1 else header
        return (self._value(at, value) if value else 0) or at

    def _scan(self) -> None:
        header = 0
        for number, line in enumerate(self._lines, 1):
            if found := _HEADER.match(line):
                header = number
                self._headers.append((found[1].strip("\"'"), number))
                self._keys[number] = {}
            elif found := _KEY.match(line):
                self._keys[header].setdefault(next(filter(None, found.groups())), number)

    def _header(self, section: str, index: str) -> int:
        found = [number for name, number in self._headers if name == section]
        if not found:
            return 0
        return found[min(int(index or 0), len(found) - 1)]

    def _value(self, start: int, value: str) -> int:
        numbers = range(max(start, 1), len(self._lines) + 1)
        return next((number for number in numbers if value in self._lines[number - 1]), 0)
