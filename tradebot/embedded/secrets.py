"""The stack's own secrets: made once, kept under var/secrets/, never in a process's arguments."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.fernet import Fernet

from tradebot.embedded.layout import private, write_private


def _password() -> str:
    return secrets.token_urlsafe(24)


_MAKERS: dict[str, Callable[[], str]] = {
    "SECRET_KEY": lambda: secrets.token_urlsafe(50),
    "CREDENTIAL_KEYS": lambda: Fernet.generate_key().decode(),
    "FLOWER_PASSWORD": _password,
    "ADMIN_PASSWORD": _password,
    "PAPER_EXCHANGE_TOKEN": _password,
    "POSTGRES_PASSWORD": _password,
    "VALKEY_PASSWORD": _password,
    "RABBITMQ_PASSWORD": _password,
}


def ensure(folder: Path) -> dict[str, str]:
    """Every secret by name. Those already there stay as they are; missing ones are made (folder 0700, files 0600)."""
    private(folder)
    return {name: _ensure_one(folder / name, make) for name, make in _MAKERS.items()}


def _ensure_one(path: Path, make: Callable[[], str]) -> str:
    if not path.is_file():
        write_private(path, make())
    return path.read_text().strip()
