"""Stored sessions of Telegram: written after a person has logged in, opened by the crawler that uses them."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from apps.sources.models import Source
from apps.sources.models_telegram import TelegramSession
from tradebot.sealing.envelope import Secret


def save_session(*, name: str, account: int, session: str) -> None:
    """Seal a session under its name, in place of the one that was there."""
    row = TelegramSession.objects.filter(name=name).first() or TelegramSession(name=name)
    row.account, row.logged_in_at = account, timezone.now()
    row.seal(session)
    row.save()


def forget_session(*, name: str) -> bool:
    """Destroy a stored session; returns whether there was one."""
    deleted, _ = TelegramSession.objects.filter(name=name).delete()
    return bool(deleted)


def open_session(name: str) -> tuple[Secret, int] | None:
    """The session and Telegram's id of its user; None without one. Raises SealError when it does not open."""
    row = TelegramSession.objects.filter(name=name).first()
    return (row.unseal(), row.account) if row else None


def settings_with(session: str) -> dict[str, Any] | None:
    """The settings of a source that uses this session, with its secrets still as references; None without one."""
    rows = Source.objects.filter(kind="telegram").order_by("-enabled", "name")
    named = (row.config for row in rows if row.config.get("session", "default") == session)
    return next((dict(config) for config in named if config.get("api_id") and config.get("api_hash")), None)
