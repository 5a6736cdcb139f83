"""Settings of one source against what its plugin says it takes, and against what may not stand in a database."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from apps.sources.domain.references import names_a_secret, reference
from tradebot.contracts.errors import InvalidField


def misfits(model: type[msgspec.Struct] | None, config: Mapping[str, Any]) -> list[InvalidField]:
    """What is wrong with `config`, each naming the setting and the remedy: secrets that are written out, and what
    `model` (if the plugin has one) refuses. References to secrets count as the text they are."""
    return [*_secrets(config)] or (list(_refused(model, config)) if model else [])


def require_fit(model: type[msgspec.Struct] | None, config: Mapping[str, Any]) -> None:
    """Raise InvalidField for the first thing that is wrong with `config`."""
    for error in misfits(model, config):
        raise error


def _secrets(config: Any, path: str = "", key: str = "") -> Iterator[InvalidField]:
    if isinstance(config, Mapping):
        for name, value in config.items():
            yield from _secrets(value, f"{path}.{name}" if path else str(name), str(name))
    elif isinstance(config, list):
        for index, value in enumerate(config):
            yield from _secrets(value, f"{path}[{index}]", key)
    elif config and names_a_secret(key) and not (isinstance(config, str) and reference(config)):
        yield InvalidField(path, "is a secret; name where it is kept: env:NAME or file:PATH")


def _refused(model: type[msgspec.Struct], config: Mapping[str, Any]) -> Iterator[InvalidField]:
    fields = _fields(model)
    before = False
    for name in config if model.__struct_config__.forbid_unknown_fields else ():
        if name not in fields:
            before = True
            yield InvalidField(str(name), f"is no setting of this crawler; known are {', '.join(fields) or 'none'}")
    for name, field in fields.items():
        reason = _reason(config[name], field.type) if name in config else "is missing" if field.required else ""
        if reason:
            before = True
            yield InvalidField(name, reason)
    if not before and (reason := _reason(config, model)):
        yield InvalidField("", reason)


@functools.lru_cache(maxsize=64)
def _fields(model: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """msgspec takes a millisecond for it, and a configuration may name thousands of sources."""
    return {field.encode_name: field for field in msgspec.structs.fields(model)}


def _reason(value: object, wanted: Any) -> str:
    try:
        msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        return f"does not fit: {error}"
    return ""
