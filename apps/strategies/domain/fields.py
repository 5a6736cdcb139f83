"""Reading outside mappings field by field: every broken rule is collected under its path, none is raised alone."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TypeVar

from tradebot.contracts.errors import InvalidField

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")

MOST_ITEMS = 500
LONGEST_NAME = 200
LARGEST = Decimal(10) ** 15
FINEST = -18
"""Exponent of the smallest step that a decimal column of ours keeps."""

_ABSENT = object()


class InvalidFields(InvalidField):
    """Outside data broke rules; `errors` has every one of them, `field` and `reason` are the first's."""

    def __init__(self, errors: Sequence[InvalidField]) -> None:
        super().__init__(errors[0].field, errors[0].reason)
        self.errors = tuple(errors)

    def __str__(self) -> str:
        return "; ".join(f"{error.field}: {error.reason}" if error.field else error.reason for error in self.errors)


class Fields:
    """One mapping. Every read returns a value of the promised type; a broken rule is noted and the default returned."""

    def __init__(self, raw: object, path: str, problems: list[InvalidField]) -> None:
        self.path = path
        self.problems = problems
        self.known: set[str] = set()
        self.readable = isinstance(raw, Mapping)
        self.raw: Mapping[object, object] = raw if isinstance(raw, Mapping) else {}
        if not self.readable:
            problems.append(InvalidField(path, "give an object with named fields"))

    def refuse(self, key: str, reason: str) -> None:
        self.problems.append(InvalidField(self._at(key), reason))

    def has(self, key: str) -> bool:
        return key in self.raw

    def mapping(self, key: str) -> Fields:
        """The mapping at `key`; absent counts as empty."""
        return Fields(self._take(key, {}), self._at(key), self.problems)

    def mappings(self, key: str) -> Iterator[Fields]:
        """The mappings in the list at `key`."""
        for index, item in enumerate(self._list(key)):
            yield Fields(item, f"{self._at(key)}[{index}]", self.problems)

    def text(self, key: str, default: str = "", longest: int = LONGEST_NAME) -> str:
        value = self._take(key, default)
        if not isinstance(value, str) or len(value) > longest or not _storable(value):
            self.refuse(key, f"give a text of at most {longest} characters")
            return default
        return value.strip()

    def texts(self, key: str, clean: Callable[[str], str | None], remedy: str) -> tuple[str, ...]:
        """The texts in the list at `key`, cleaned, without repetitions; `clean` returns nothing for one it refuses."""
        found: dict[str, None] = {}
        for index, item in enumerate(self._list(key)):
            short = isinstance(item, str) and len(item) <= LONGEST_NAME and _storable(item)
            value = clean(str(item)) if short else None
            if value:
                found[value] = None
            else:
                self.refuse(f"{key}[{index}]", remedy)
        return tuple(found)

    def flag(self, key: str, default: bool) -> bool:
        value = self._take(key, default)
        if not isinstance(value, bool):
            self.refuse(key, "give true or false")
            return default
        return value

    def choice(self, key: str, options: Sequence[E], default: E) -> E:
        value = self._take(key, default)
        for option in options:
            if value == option.value:
                return option
        self.refuse(key, f"give one of {', '.join(options)}")
        return default

    def whole(self, key: str, default: int, least: int, most: int) -> int:
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.refuse(key, f"give a whole number from {least} to {most}")
            return default
        return value

    def share(self, key: str, default: float) -> float:
        """A number from 0 to 1."""
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            self.refuse(key, "give a number from 0 to 1, for example 0.6")
            return default
        return float(value)

    def positive(self, key: str, remedy: str, most: Decimal = LARGEST) -> Decimal | None:
        """A number over 0, at most `most`; None if absent or refused."""
        value = self._take(key, _ABSENT)
        if value is _ABSENT:
            return None
        number = _decimal(value)
        if number is None or not 0 < number <= most:
            self.refuse(key, remedy)
            return None
        return number

    def parsed(self, key: str, default: T, parse: Callable[[str], T | None], remedy: str) -> T:
        """The text at `key` as `parse` understands it; `parse` returns None for what it refuses."""
        value = self._take(key, _ABSENT)
        if value is _ABSENT:
            return default
        found = parse(value) if isinstance(value, str) and len(value) <= LONGEST_NAME else None
        if found is None:
            self.refuse(key, remedy)
            return default
        return found

    def refuse_unknown(self) -> None:
        """Note every key that nobody asked for."""
        for key in self.raw:
            if key not in self.known:
                known = ", ".join(sorted(self.known))
                self.refuse(str(key)[:LONGEST_NAME], f"is not a field here; remove it, or use one of {known}")

    def _take(self, key: str, default: object) -> object:
        self.known.add(key)
        return self.raw.get(key, default)

    def _list(self, key: str) -> Sequence[object]:
        value = self._take(key, [])
        if not isinstance(value, list | tuple) or len(value) > MOST_ITEMS:
            self.refuse(key, f"give a list of at most {MOST_ITEMS}")
            return []
        return value

    def _at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    if isinstance(value, int) and abs(value) > LARGEST:
        return None
    try:
        number = Decimal(str(value).strip()[:64])
    except InvalidOperation:
        return None
    return number if _storable_number(number) else None


def _storable_number(number: Decimal) -> bool:
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= FINEST and abs(number) <= LARGEST


def _storable(text: str) -> bool:
    """No control characters and no lone surrogates: PostgreSQL stores neither NUL nor broken UTF-8."""
    return not any(unicodedata.category(char) in {"Cc", "Cs"} for char in text)
