"""What `crawler.toml` says: text in, the sources it names out, or everything that is wrong with it at once."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from apps.sources.domain.config_lines import Lines
from apps.sources.domain.plugin_settings import misfits
from apps.sources.domain.references import names_a_secret, reference
from tradebot.contracts.errors import InvalidField, PermanentError

Table = Mapping[str, Any]
Model = type[msgspec.Struct] | None
ModelOf = Callable[[str], Model]
"""The model of an installed crawler's settings, if it has one. Raises LookupError where it can't be loaded."""

MOST_BYTES = 1024 * 1024
MOST_SOURCES = 5_000
LONGEST_INTERVAL = 7 * 86_400
_NAME_LENGTH = 200
_URL_LENGTH = 2_000


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """One source as the configuration wants it. `config`: the plugin's settings, secrets still as references."""

    name: str
    kind: str
    url: str
    enabled: bool
    interval_seconds: int
    config: dict[str, Any]


class InvalidConfig(PermanentError):
    """A configuration that is refused as a whole. `errors`: each names its key, its line and the remedy."""

    def __init__(self, errors: Sequence[InvalidField]) -> None:
        super().__init__("; ".join(str(error) for error in errors))
        self.errors = tuple(errors)


def read(text: str, crawlers: Collection[str], model_of: ModelOf) -> list[SourceSpec]:
    """The sources that a configuration names, those that it switches off too. Raises InvalidConfig.

    `crawlers`: names of those that are installed. What is switched off is not held against its crawler's model, so that
    no crawler is loaded in vain.
    """
    if len(text.encode()) > MOST_BYTES:
        raise InvalidConfig([InvalidField("", f"is longer than {MOST_BYTES // 1024} KiB; name fewer sources")])
    if not text.strip():
        raise InvalidConfig([InvalidField("", "is empty; to watch nothing, write enabled = false into its sections")])
    try:
        sections = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidConfig([InvalidField("", f"is no TOML: {error or 'nested too deep'}; mend that line")]) from None
    reading = _Reading(Lines(text), crawlers, model_of)
    specs = list(reading.sources(sections))
    reading.require_unique(specs)
    if reading.errors:
        raise InvalidConfig(reading.errors)
    return specs


# --- what each section looks like ------------------------------------------------------------------------------------


def _account(text: str) -> str:
    if not re.fullmatch(r"@?[A-Za-z0-9_]{1,15}", text):
        raise ValueError("is no account of X; write its name, up to 15 letters, digits and _, like elonmusk")
    return text.removeprefix("@")


def _channel(text: str) -> str:
    if not re.fullmatch(r"@?[A-Za-z][A-Za-z0-9_]{3,31}", text):
        raise ValueError("is no public channel of Telegram; write its name as in t.me/NAME, like cryptosignals")
    return text.removeprefix("@")


def _address(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/@]+(/\S*)?", text) or len(text) > _URL_LENGTH:
        raise ValueError(f"is no address; write one of up to {_URL_LENGTH} characters that begins with https://")
    return text


@dataclass(frozen=True, slots=True)
class _Shape:
    """`many`: the list whose items become a source each, as the setting `one` (`url` is the source's own).
    `names`: a list of names that one source keeps together."""

    interval: int = 60
    many: str = ""
    one: str = ""
    names: str = ""
    check: Callable[[str], str] = str


_SHAPES = {
    "twitter": _Shape(300, names="accounts", check=_account),
    "telegram": _Shape(60, many="channels", one="channel", check=_channel),
    "rss": _Shape(300, many="feeds", one="url", check=_address),
    "web": _Shape(300, many="pages", one="url", check=_address),
}
_PLUGIN = _Shape()
_OWN = ("enabled", "interval")


class _Reading:
    """One pass over a configuration; `errors` grows on the way."""

    def __init__(self, lines: Lines, crawlers: Collection[str], model_of: ModelOf) -> None:
        self.errors: list[InvalidField] = []
        self._lines = lines
        self._crawlers = crawlers
        self._model_of = model_of
        self._models: dict[str, Model] = {}
        self._sound = True

    def sources(self, sections: Table) -> Iterator[SourceSpec]:
        for name, section in sections.items():
            if name not in _SHAPES and name not in self._crawlers:
                known = ", ".join(sorted({*_SHAPES, *self._crawlers}))
                self._refuse(name, f"is no kind of source; known are {known}")
            elif isinstance(section, dict):
                yield from self._section(name, section)
            elif name not in _SHAPES and isinstance(section, list) and all(isinstance(one, dict) for one in section):
                yield from self._tables(name, section)
            else:
                self._refuse(name, f"must be a section, like [{name}]")

    def require_unique(self, specs: Sequence[SourceSpec]) -> None:
        if len(specs) > MOST_SOURCES:
            self._refuse("", f"names {len(specs)} sources; {MOST_SOURCES} is the most")
        first: dict[str, SourceSpec] = {}
        for spec in specs:
            if first.setdefault(spec.name, spec) is not spec:
                reason = f"names {spec.name} more than once; leave one, or give each a name of its own"
                self._refuse(spec.kind, reason, spec.name)

    # --- sections ----------------------------------------------------------------------------------------------------

    def _section(self, name: str, section: Table) -> Iterator[SourceSpec]:
        shape = _SHAPES.get(name, _PLUGIN)
        self._check_section(name, section)
        on = self._flag(name, section, default=True)
        every = self._interval(name, section, shape.interval)
        config = {key: value for key, value in section.items() if key not in (*_OWN, shape.many)}
        if shape.many:
            yield from self._items(name, shape, section, SourceSpec("", name, "", on, every, config))
            return
        if shape.names and shape.names in config:
            config[shape.names] = self._names(f"{name}.{shape.names}", shape, config[shape.names])
        url = self._text(f"{name}.url", config.pop("url", ""))
        yield from self._checked(name, SourceSpec(name, name, url, on, every, config))

    def _tables(self, section: str, tables: Sequence[Table]) -> Iterator[SourceSpec]:
        """`[[notices]]` more than once: a source each, told apart by its `name`."""
        for index, table in enumerate(tables):
            path = f"{section}[{index}]"
            self._check_section(path, table)
            label = self._text(f"{path}.name", table.get("name", ""))
            if not label:
                self._refuse(f"{path}.name", f"is missing; each of several [[{section}]] needs one of its own")
            on = self._flag(path, table, default=True)
            every = self._interval(path, table, _PLUGIN.interval)
            config = {key: value for key, value in table.items() if key not in (*_OWN, "name", "url")}
            url = self._text(f"{path}.url", table.get("url", ""))
            yield from self._checked(path, SourceSpec(f"{section}:{label}", section, url, on, every, config))

    def _items(self, section: str, shape: _Shape, table: Table, common: SourceSpec) -> Iterator[SourceSpec]:
        path = f"{section}.{shape.many}"
        items = table.get(shape.many, [])
        if not isinstance(items, list):
            self._refuse(path, "must be a list", items)
            return
        for index, item in enumerate(items):
            yield from self._item(f"{path}[{index}]", shape, item, common)

    def _item(self, path: str, shape: _Shape, item: object, common: SourceSpec) -> Iterator[SourceSpec]:
        own: Table = item if isinstance(item, dict) else {shape.one: item}
        one = self._name(f"{path}.{shape.one}" if isinstance(item, dict) else path, shape, own.get(shape.one))
        if one is None:
            return
        config = {**common.config, **{key: value for key, value in own.items() if key not in (*_OWN, "name", "url")}}
        label = self._text(f"{path}.name", own.get("name", ""))
        if shape.one != "url":
            config[shape.one], label = one, f"{common.kind}:{label or one}"
        on = self._flag(path, own, default=True) and common.enabled
        every = self._interval(path, own, common.interval_seconds)
        url = one if shape.one == "url" else ""
        yield from self._checked(path, SourceSpec(label or one, common.kind, url, on, every, config))

    def _checked(self, path: str, spec: SourceSpec) -> Iterator[SourceSpec]:
        if len(spec.name) > _NAME_LENGTH:
            self._refuse(path, f"needs a name of up to {_NAME_LENGTH} characters: write name = …", spec.name)
        if len(spec.url) > _URL_LENGTH:
            self._refuse(f"{path}.url", f"must have up to {_URL_LENGTH} characters")
        if spec.enabled and self._sound:
            self._hold_against_model(path, spec)
        yield spec

    def _hold_against_model(self, path: str, spec: SourceSpec) -> None:
        try:
            if spec.kind not in self._models:
                self._models[spec.kind] = self._model_of(spec.kind)
        except LookupError:
            self._refuse(spec.kind, "has no crawler that can be loaded; install it, or write enabled = false")
            return
        for error in misfits(self._models[spec.kind], spec.config):
            key = re.split(r"[.\[]", error.field)[0]
            self._refuse(f"{path}.{error.field}".rstrip("."), error.reason, spec.config.get(key))

    # --- values ------------------------------------------------------------------------------------------------------

    def _flag(self, path: str, table: Table, *, default: bool) -> bool:
        value = table.get("enabled", default)
        if not isinstance(value, bool):
            self._refuse(f"{path}.enabled", "must be true or false", value)
            return False
        return value

    def _interval(self, path: str, table: Table, default: int) -> int:
        value = table.get("interval", default)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LONGEST_INTERVAL:
            self._refuse(f"{path}.interval", f"must be whole seconds from 1 to {LONGEST_INTERVAL}", value)
            return default
        return value

    def _text(self, path: str, value: object) -> str:
        if not isinstance(value, str):
            self._refuse(path, "must be text in quotes", value)
            return ""
        return value

    def _names(self, path: str, shape: _Shape, values: object) -> list[str]:
        if not isinstance(values, list):
            self._refuse(path, "must be a list", values)
            return []
        found = (self._name(f"{path}[{index}]", shape, value) for index, value in enumerate(values))
        return [name for name in found if name is not None]

    def _name(self, path: str, shape: _Shape, value: object) -> str | None:
        if not isinstance(value, str):
            self._refuse(path, "must be text in quotes", value)
            return None
        try:
            return shape.check(value.strip())
        except ValueError as error:
            self._refuse(path, str(error), value)
            return None

    def _check_section(self, path: str, section: Table) -> None:
        """What is refused here would only be refused again by the crawler's model, for each of its sources."""
        before = len(self.errors)
        self._check_values(path, section)
        self._sound = len(self.errors) == before

    def _check_values(self, path: str, value: object, key: str = "") -> None:
        """Only what JSON can hold, and no secret that is written out."""
        if isinstance(value, dict):
            for name, inner in value.items():
                if "\0" in name:
                    self._refuse(path, "must not hold a NUL character in a key")
                self._check_values(f"{path}.{name}", inner, name)
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                self._check_values(f"{path}[{index}]", inner, key)
        elif names_a_secret(key) and not (isinstance(value, str) and reference(value)):
            self._refuse(path, "is a secret; name where it is kept: env:NAME or file:PATH")
        elif isinstance(value, str) and "\0" in value:
            self._refuse(path, "must not hold a NUL character")
        elif not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
            self._refuse(path, "must be text, a number, true or false; write dates in quotes")

    def _refuse(self, path: str, reason: str, value: object = None) -> None:
        line = self._lines.of(path, value if isinstance(value, str) else None)
        self.errors.append(InvalidField(path, f"{reason} (line {line})" if line else reason))
