"""Where configuration comes from: NAME, then NAME_FILE, then the running stack's var/run.json and var/secrets/."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Path(os.environ.get("VAR_DIR", BASE_DIR / "var"))

_RUN_KEYS = {
    "BROKER_URL": "broker",
    "DATABASE_URL": "database",
    "REDIS_URL": "redis",
    "PAPER_EXCHANGE_URL": "paper_exchange",
    "FLOWER_URL": "flower",
    "WEB_URL": "web",
}


@lru_cache(maxsize=1)
def run_file() -> dict[str, str]:
    """Addresses of the stack that `make up` or `make demo` started, or {} when none runs."""
    try:
        read: dict[str, str] = json.loads((VAR_DIR / "run.json").read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return read


def lookup(name: str) -> str | None:
    """The value of a setting, or None. An empty variable counts as unset."""
    if value := os.environ.get(name):
        return value
    if path := os.environ.get(f"{name}_FILE"):
        return _read_secret(name, Path(path))
    if name in _RUN_KEYS:
        return run_file().get(_RUN_KEYS[name])
    generated = VAR_DIR / "secrets" / name
    return _read_secret(name, generated) if generated.is_file() else None


def text(name: str, default: str | None = None) -> str:
    """A required text setting; raises ImproperlyConfigured saying how to set it."""
    value = lookup(name)
    if value is None:
        value = default
    if value is None:
        raise ImproperlyConfigured(f"{name} is not set. Set {name} or {name}_FILE, or start the stack with `make up`.")
    return value


def number(name: str, default: int) -> int:
    """A whole number."""
    value = text(name, str(default))
    try:
        return int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}") from None


def flag(name: str, *, default: bool = False) -> bool:
    """1/true/yes/on or 0/false/no/off."""
    value = text(name, "1" if default else "0").lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}")


def items(name: str, default: str = "") -> list[str]:
    """A comma-separated list, blanks dropped."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def _read_secret(name: str, path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE={path} can't be read: {error.strerror}") from None
