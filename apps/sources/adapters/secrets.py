"""Secrets that settings of sources only name: `env:NAME` is read from the environment, `file:PATH` from a file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.sources.domain.references import reference
from tradebot.contracts.errors import NotConfigured

MOST_BYTES = 64 * 1024
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OURS = frozenset(
    {
        *("SECRET_KEY", "CREDENTIAL_KEYS", "ADMIN_PASSWORD", "FLOWER_PASSWORD", "FLOWER_BASIC_AUTH", "METRICS_TOKEN"),
        *("PAPER_EXCHANGE_TOKEN", "POSTGRES_PASSWORD", "VALKEY_PASSWORD", "RABBITMQ_PASSWORD"),
        *("DATABASE_URL", "BROKER_URL", "REDIS_URL", "FLOWER_URL"),
    }
)
_NO_SECRETS_THERE = (Path("/proc"), Path("/sys"), Path("/dev"))


class Secret(str):
    """A secret's value: a string for whoever uses it, `***` for whoever prints what it is part of."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def resolved(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of one source with secrets (as `Secret`) in place of references, at any depth of lists and tables.

    For what an operator wrote only, never for a plugin's `state`: that may hold strangers' words. Raises NotConfigured
    naming the key and the remedy, never a value. A URL (`file://…`) is no reference.
    """
    return {key: _resolved(str(key), value) for key, value in config.items()}


def _resolved(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _resolved(f"{key}.{name}", inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_resolved(f"{key}[{index}]", inner) for index, inner in enumerate(value)]
    if isinstance(value, str) and (found := reference(value)):
        return Secret(_from_environment(key, found.name) if found.kind == "env" else _from_file(key, found.name))
    return value


def _from_environment(key: str, name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        # Not repeated: somebody may have written the secret itself behind "env:".
        raise NotConfigured(f"{key}: after env: comes the name of a variable, like env:X_BEARER_TOKEN")
    if name in _OURS:
        raise NotConfigured(f"{key}: {name} is tradebot's own secret and no source may have it; name another variable")
    value = os.environ.get(name, "").strip()
    if not value:
        raise NotConfigured(f"{key}: the environment has no {name}; set it for the workers and start them again")
    return value


def _from_file(key: str, name: str) -> str:
    path = _path(key, name)
    try:
        content = _beginning(path)
    except OSError as error:
        reason = error.strerror or "it is no plain file"
        raise NotConfigured(f"{key}: {name} can't be read ({reason}); write the secret into that file") from None
    value = _text(content).strip() if len(content) <= MOST_BYTES else ""
    if not value:
        raise NotConfigured(f"{key}: {name} must hold one secret as text, up to {MOST_BYTES // 1024} KiB")
    return value


def _beginning(path: Path) -> bytes:
    if path.exists() and not path.is_file():
        # A pipe would be waited for without end.
        raise OSError
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)


def _path(key: str, name: str) -> Path:
    """Relative ones lie under the checkout. What would give away secrets of tradebot itself is refused."""
    try:
        path = (settings.BASE_DIR / name).resolve()
    except (OSError, ValueError, RuntimeError):
        raise NotConfigured(f"{key}: after file: comes the path of a file, like file:/run/secrets/x_token") from None
    own = (Path(settings.VAR_DIR).resolve() / "secrets", *_NO_SECRETS_THERE)
    if any(path.is_relative_to(folder) for folder in own) or path in _files_of_ours():
        raise NotConfigured(f"{key}: {name} is not for sources; keep their secrets in files of their own")
    return path


def _files_of_ours() -> set[Path]:
    named = (os.environ.get(f"{name}_FILE") for name in _OURS)
    return {Path(name).resolve() for name in named if name}


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return ""
