"""Venues we may trade on, and the trading rules of their markets as last read from them."""

from __future__ import annotations

from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator, URLValidator
from django.db import models

PAPER = "paper"
"""The venue whose address is settings.PAPER_EXCHANGE_URL, never a real exchange."""


class Dialect(models.TextChoices):
    """The protocol a venue speaks: one adapter each."""

    BINANCE = "binance", "Binance spot"
    OKX = "okx", "OKX spot"
    BYBIT = "bybit", "Bybit spot"
    KRAKEN = "kraken", "Kraken spot"
    COINBASE = "coinbase", "Coinbase Advanced"


class Venue(models.Model):
    """An exchange. `base_url` blank means the dialect's own address."""

    name = models.SlugField(primary_key=True, max_length=40)
    dialect = models.CharField(max_length=20, choices=Dialect.choices, default=Dialect.BINANCE)
    base_url = models.CharField(
        max_length=200,
        blank=True,
        validators=[URLValidator(schemes=["http", "https"])],
        help_text="Blank: the exchange's own address.",
    )
    enabled = models.BooleanField(default=True)
    sandbox = models.BooleanField(default=False, help_text="Use the exchange's own test network.")
    request_limit = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Weight that all workers behind one address may use in the venue's window; blank: its own limit.",
    )
    taker_fee = models.DecimalField(
        max_digits=8,
        decimal_places=6,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(1))],
        help_text="Your fee tier as a share (0.001 is 0.1 %), to compare venues by; blank: the standard fee.",
    )
    note = models.CharField(max_length=200, blank=True)
    synced_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When its markets were last read."
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


def _number(**more: object) -> models.DecimalField[Decimal, Decimal]:
    return models.DecimalField(max_digits=38, decimal_places=18, validators=[MinValueValidator(Decimal(0))], **more)  # type: ignore[arg-type]


class MarketRow(models.Model):
    """Trading rules of one pair at one venue: `tick` and `step` are the smallest change itself (0.01)."""

    venue = models.ForeignKey(Venue, on_delete=models.CASCADE, related_name="markets")
    pair = models.CharField(max_length=41)
    tick = _number()
    step = _number()
    market_step = _number(null=True, blank=True)
    min_amount = _number()
    max_amount = _number(null=True, blank=True)
    min_notional = _number()
    active = models.BooleanField(default=True)

    class Meta:
        ordering = ["venue", "pair"]
        verbose_name = "market"
        constraints = [models.UniqueConstraint(fields=["venue", "pair"], name="exchanges_market_once_per_venue")]

    def __str__(self) -> str:
        return f"{self.pair} at {self.venue_id}"
