"""Rows of Telegram: sessions that a person has logged in."""

from __future__ import annotations

from django.db import models

from tradebot.sealing.rows import SealedRow


class TelegramSession(SealedRow):
    """One login of `manage.py telegram_login`, by the name that sources use for it. The envelope holds Telethon's text
    form of the session, with which anybody could act as that account. `account` is Telegram's id of the user."""

    name = models.CharField(max_length=50, unique=True)
    account = models.BigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)
    logged_in_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def sealed_for(self) -> str:
        return self.name
