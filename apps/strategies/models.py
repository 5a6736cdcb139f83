"""Rows of what users want traded: strategies and their versions, what each decided about each signal, cool-downs."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from apps.strategies.domain.matching import Reason
from tradebot.contracts.values import Mode

REASONS = [(reason.value, reason.value.replace("_", " ")) for reason in Reason]
MODES = [(mode.value, mode.value) for mode in Mode]


class Strategy(models.Model):
    """A user's standing instruction. Its meaning is in the newest version, which the columns here repeat for queries.

    Deleting sets `deleted_at`: a signal that comes back must still find the commands this strategy gave.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=120)
    enabled = models.BooleanField(default=True)
    mode = models.CharField(max_length=10, choices=MODES, default=Mode.PAPER)
    credential_id = models.UUIDField(null=True, blank=True, help_text="Blank: the user's default account.")
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name_plural = "strategies"
        ordering = ("-created_at", "-id")
        indexes = (
            models.Index(fields=("user", "-created_at"), name="strategies_of_user"),
            models.Index(
                fields=("id",), name="strategies_active", condition=models.Q(enabled=True, deleted_at__isnull=True)
            ),
        )

    def __str__(self) -> str:
        return self.name


class StrategyVersion(models.Model):
    """What a strategy said from one save to the next; never changed. `spec` is what `parse_spec` reads."""

    strategy = models.ForeignKey(Strategy, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    spec = models.JSONField()
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-number",)
        constraints = (models.UniqueConstraint(fields=("strategy", "number"), name="strategies_version_once"),)

    def __str__(self) -> str:
        return f"version {self.number}"


class Match(models.Model):
    """What one strategy decided about one signal, once. `command` is the wire form that every redelivery re-emits.

    `signal` has no database constraint: one batch writes strategies x signals rows, and the message vouches for the id.
    """

    strategy = models.ForeignKey(Strategy, on_delete=models.CASCADE, related_name="matches", db_index=False)
    signal = models.ForeignKey("signals.Signal", on_delete=models.CASCADE, related_name="+", db_constraint=False)
    version = models.PositiveIntegerField()
    matched = models.BooleanField()
    reason = models.CharField(
        max_length=20, blank=True, choices=REASONS, help_text="First rule that failed; blank: it matched."
    )
    detail = models.CharField(max_length=300, blank=True)
    coin = models.CharField(max_length=20, blank=True)
    pair = models.CharField(max_length=41, blank=True)
    command = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "matches"
        ordering = ("-created_at", "-id")
        constraints = (models.UniqueConstraint(fields=("strategy", "signal"), name="strategies_match_once"),)
        indexes = (models.Index(fields=("strategy", "-created_at", "-id"), name="strategies_match_recent"),)

    def __str__(self) -> str:
        return self.pair if self.matched else self.reason


class Cooldown(models.Model):
    """Until when a strategy leaves a coin alone; taken by one conditional upsert."""

    strategy = models.ForeignKey(Strategy, on_delete=models.CASCADE, related_name="+", db_index=False)
    coin = models.CharField(max_length=20)
    until = models.DateTimeField()

    class Meta:
        ordering = ("strategy", "coin")
        constraints = (models.UniqueConstraint(fields=("strategy", "coin"), name="strategies_cooldown_once"),)

    def __str__(self) -> str:
        return f"{self.coin} until {self.until:%Y-%m-%d %H:%M:%S}"
