"""Rows of whether signals were right: each one's marks against the price, figures by group, and demoted sources."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

_NAME_LENGTH = 200


class SignalAccuracy(models.Model):
    """One signal about one coin, marked against the price `horizon` minutes after the signal was made.

    Moves are shares of the price: 0.01 is one percent. `is_primary`: the signal's first coin, which alone counts for
    its author, event and analyzers, because five coins named by one post are not five proofs.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        MARKED = "marked"
        GIVEN_UP = "given_up", "given up"

    class Outcome(models.TextChoices):
        UP = "up"
        DOWN = "down"
        FLAT = "flat"

    signal = models.ForeignKey("signals.Signal", on_delete=models.CASCADE, related_name="marks")
    coin = models.CharField(max_length=20)
    is_primary = models.BooleanField(default=False)
    horizon = models.PositiveIntegerField(help_text="Minutes after the signal was made.")
    at = models.DateTimeField(help_text="When the signal was made: prices count from here.")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    reason = models.CharField(max_length=300, blank=True, default="", help_text="Why there is no mark (yet).")
    attempts = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(default=timezone.now)
    venue = models.CharField(max_length=50, blank=True, default="")
    pair = models.CharField(max_length=41, blank=True, default="")
    price = models.DecimalField(max_digits=38, decimal_places=18, null=True, blank=True)
    price_before = models.DecimalField(
        max_digits=38, decimal_places=18, null=True, blank=True, help_text="One hour before the signal."
    )
    price_after = models.DecimalField(max_digits=38, decimal_places=18, null=True, blank=True)
    move = models.FloatField(null=True, blank=True, help_text="From the signal to the horizon, as a share.")
    move_before = models.FloatField(null=True, blank=True, help_text="In the hour before the signal, as a share.")
    outcome = models.CharField(max_length=4, choices=Outcome, blank=True, default="")
    marked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "mark"
        ordering = ("-at", "coin", "horizon")
        constraints = (models.UniqueConstraint(fields=("signal", "coin", "horizon"), name="signals_accuracy_once"),)
        indexes = (
            models.Index(fields=("next_try_at",), name="signals_accuracy_due", condition=Q(state="waiting")),
            models.Index(fields=("horizon", "at"), name="signals_accuracy_marked", condition=Q(state="marked")),
        )

    def __str__(self) -> str:
        return f"{self.coin} after {self.horizon} min: {self.outcome or self.state}"


class AccuracyScore(models.Model):
    """How often one group was right in the last window, at one horizon; made anew from the marks every few minutes.

    `calls`: bullish or bearish, and the price left the neutral band. `momentum_*`: what the sign of the move in the
    hour before would have said of the same marks, `up_hits`: what always saying up would.
    """

    class Kind(models.TextChoices):
        ALL = "all", "All signals"
        AUTHOR = "author"
        ANALYZER = "analyzer"
        EVENT = "event"
        COIN = "coin"

    kind = models.CharField(max_length=10, choices=Kind)
    name = models.CharField(max_length=_NAME_LENGTH, blank=True, default="")
    horizon = models.PositiveIntegerField(help_text="Minutes.")
    calls = models.PositiveIntegerField(default=0)
    hits = models.PositiveIntegerField(default=0)
    flat = models.PositiveIntegerField(default=0, help_text="Calls after which the price stayed in the neutral band.")
    momentum_calls = models.PositiveIntegerField(default=0)
    momentum_hits = models.PositiveIntegerField(default=0)
    up_hits = models.PositiveIntegerField(default=0)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "accuracy"
        verbose_name_plural = "accuracy"
        ordering = ("kind", "name", "horizon")
        constraints = (models.UniqueConstraint(fields=("kind", "name", "horizon"), name="signals_score_once"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.name} after {self.horizon} min: {self.hits} of {self.calls}"


class Demotion(models.Model):
    """A source whose signals trade nothing real since `since`, and why. `lifted_at`: an operator trusts it again; what
    was marked before counts no more against it."""

    source = models.CharField(max_length=_NAME_LENGTH, help_text="As signals name it, for example twitter:elonmusk.")
    reason = models.CharField(max_length=500)
    since = models.DateTimeField(default=timezone.now)
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ("-since",)
        constraints = (
            models.UniqueConstraint(
                fields=("source",), name="signals_demoted_once", condition=Q(lifted_at__isnull=True)
            ),
        )

    def __str__(self) -> str:
        return f"{self.source}: {self.reason}"
