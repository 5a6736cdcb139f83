"""Rows of trading: commands and their decisions, orders, fills, positions, reports, and the limits they obey."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from apps.trading.domain.risk import coins
from apps.trading.domain.states import LIVE, WORKING, CommandState, OrderStatus
from tradebot.contracts.errors import InvalidField
from tradebot.contracts.values import Action, AmountType, KillSwitch, Leg, Mode, OrderType

CREDENTIAL = "accounts.Credential"
_LITTLE = Decimal("0.01")
_HUNDRED = MaxValueValidator(100)


class Way(StrEnum):
    """Where a change was made."""

    ADMIN = "admin"
    API = "api"
    COMMAND = "command"


def _choices(kind: Any) -> list[tuple[str, str]]:
    return [(str(member.value), str(member.value).replace("_", " ").lower()) for member in kind]


def _decimal(**more: Any) -> Any:
    return models.DecimalField(max_digits=38, decimal_places=18, **more)


class RiskPolicy(models.Model):
    """Limits of one user, or of the whole platform (`user` empty). Empty numbers mean no limit; both policies apply."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="+",
        help_text="Empty: the platform's own policy.",
    )  # fmt: skip
    max_daily_loss = _decimal(
        null=True, blank=True, validators=[MinValueValidator(0)],
        help_text="Quote currency lost since the user's midnight after which no entry is made.",
    )  # fmt: skip
    position_limit = _decimal(
        null=True, blank=True, validators=[MinValueValidator(0)],
        help_text="Most quote currency that one coin may be worth in one account, open orders included.",
    )  # fmt: skip
    cooling_period = models.PositiveIntegerField(
        default=0, help_text="Minutes between two entries into the same coin of one account."
    )
    max_order_rate = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)],
        help_text="Orders (entries and exits) of one account in a minute after which no entry is made.",
    )  # fmt: skip
    max_depth_share = models.DecimalField(
        max_digits=5, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(_LITTLE), _HUNDRED],
        help_text="Percent of the sell orders that the venue shows which one entry may take.",
    )  # fmt: skip
    max_price_move = models.DecimalField(
        max_digits=5, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(_LITTLE), _HUNDRED],
        help_text="Percent that the price may have moved since the signal, up or down, for an entry.",
    )  # fmt: skip
    blacklist = models.JSONField(default=list, blank=True, help_text='Coins that are never bought, as ["DOGE"].')
    kill_switch = models.CharField(max_length=10, choices=_choices(KillSwitch), default=KillSwitch.ACTIVE.value)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "risk policies"
        constraints = (
            models.UniqueConstraint(
                models.Value(1), condition=Q(user__isnull=True), name="trading_one_platform_policy"
            ),
        )

    def __str__(self) -> str:
        return f"risk policy of {self.user or 'the platform'}"

    def clean(self) -> None:
        try:
            self.blacklist = coins(self.blacklist)
        except InvalidField as error:
            raise ValidationError({"blacklist": f"{error.reason}"}) from None


class PolicyChange(models.Model):
    """One change of a risk policy: who, when, what and why. Never changed, never deleted.

    `user` is whose policy it is, empty for the platform's; `changes` is {field: [before, after]}.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    by_name = models.CharField(max_length=150, help_text="Kept when the person is gone; the system's own user.")
    way = models.CharField(max_length=10, choices=_choices(Way))
    changes = models.JSONField(default=dict)
    reason = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ("-at", "-id")
        indexes = (models.Index(fields=("user", "-at"), name="trading_policy_changes"),)

    def __str__(self) -> str:
        return f"{self.by_name} changed the policy of {self.user or 'the platform'} at {self.at:%Y-%m-%d %H:%M:%S} UTC"


class Account(models.Model):
    """The row that is locked while one credential's money is decided about. `sequence` counts those moments."""

    credential = models.OneToOneField(CREDENTIAL, primary_key=True, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    sequence = models.BigIntegerField(default=0)
    visited_at = models.DateTimeField(null=True, blank=True, help_text="When the reconciler last turned to it.")
    swept_at = models.DateTimeField(
        null=True, blank=True, help_text="When all its orders at the exchange were last compared with our rows."
    )

    def __str__(self) -> str:
        return str(self.credential_id)


class Command(models.Model):
    """One instruction to one account, and what was decided about it. Its id is the uuid5 of (strategy, signal, leg)."""

    id = models.UUIDField(primary_key=True, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    credential = models.ForeignKey(CREDENTIAL, on_delete=models.PROTECT, related_name="+")
    strategy_id = models.CharField(max_length=200)
    signal_id = models.CharField(max_length=200)
    exchange = models.CharField(max_length=40)
    mode = models.CharField(max_length=10, choices=_choices(Mode))
    leg = models.CharField(max_length=10, choices=_choices(Leg))
    action = models.CharField(max_length=4, choices=_choices(Action))
    pair = models.CharField(max_length=41)
    amount_type = models.CharField(max_length=10, choices=_choices(AmountType))
    amount = _decimal()
    conditions = models.JSONField(default=list, blank=True)
    expires_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=_choices(CommandState), default=CommandState.RECEIVED.value)
    code = models.CharField(max_length=40, blank=True, help_text="Why it ended so, in one word.")
    reason = models.CharField(max_length=500, blank=True)
    decision = models.JSONField(default=dict, blank=True, help_text="Every check with its numbers.")
    root_id = models.CharField(max_length=200)
    stages = models.JSONField(default=dict, blank=True)
    seen_at = models.DateTimeField()
    created_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at", "-id")
        indexes = (
            models.Index(fields=("root_id",), name="trading_command_root"),
            models.Index(fields=("signal_id",), name="trading_command_signal"),
            models.Index(fields=("-created_at", "-id"), name="trading_command_recent"),
            models.Index(
                fields=("credential", "pair"), name="trading_command_working",
                condition=Q(state__in=[state.value for state in sorted(WORKING)]),
            ),
        )  # fmt: skip

    def __str__(self) -> str:
        return f"{self.leg} {self.action} {self.pair} {self.state}"


class Order(models.Model):
    """One attempt to place what a command asks. Its id is the uuid5 of (command, attempt); `client_id` is the lookup
    key at the exchange, never reused. `reserved_quote` and `reserved_base` are what it may still take."""

    id = models.UUIDField(primary_key=True, editable=False)
    command = models.ForeignKey(Command, on_delete=models.PROTECT, related_name="orders", db_index=False)
    attempt = models.PositiveIntegerField()
    client_id = models.CharField(max_length=32)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False)
    credential = models.ForeignKey(CREDENTIAL, on_delete=models.PROTECT, related_name="+", db_index=False)
    exchange = models.CharField(max_length=40)
    pair = models.CharField(max_length=41)
    side = models.CharField(max_length=4, choices=_choices(Action))
    type = models.CharField(max_length=20, choices=_choices(OrderType))
    leg = models.CharField(max_length=10, choices=_choices(Leg))
    amount = _decimal()
    price = _decimal(null=True, blank=True)
    stop_price = _decimal(null=True, blank=True)
    trail = _decimal(null=True, blank=True, help_text="Percent under the best price since, of a trailing stop.")
    oco = models.UUIDField(
        null=True, blank=True, help_text="The pair it belongs to: its stop's id. The stop alone reserves the coins."
    )
    replaces = models.CharField(
        max_length=32, blank=True, help_text="Client id of the order whose place it took in one step."
    )
    reserved_quote = _decimal(default=0)
    reserved_base = _decimal(default=0)
    status = models.CharField(max_length=20, choices=_choices(OrderStatus), default=OrderStatus.INTENT.value)
    venue_order_id = models.CharField(max_length=80, blank=True)
    filled = _decimal(default=0)
    average = _decimal(null=True, blank=True)
    fee = models.JSONField(default=dict, blank=True, help_text="Paid so far, by currency.")
    reason = models.CharField(max_length=500, blank=True)
    misses = models.PositiveSmallIntegerField(default=0, help_text="Times the exchange said it does not know it.")
    sequence = models.BigIntegerField(help_text="The account's count when this row last changed.")
    submitted_at = models.DateTimeField(null=True, blank=True)
    deadline = models.DateTimeField(null=True, blank=True, help_text="Before this its absence proves nothing.")
    acked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = (
            models.UniqueConstraint(fields=("command", "attempt"), name="trading_order_attempt_once"),
            models.UniqueConstraint(fields=("client_id",), name="trading_order_client_id_once"),
        )
        # Each begins with a foreign key, which then needs no index of its own: an order is written while others wait.
        indexes = (
            models.Index(fields=("user", "-created_at", "-id"), name="trading_order_recent"),
            models.Index(fields=("credential", "sequence"), name="trading_order_sequence"),
            models.Index(fields=("credential", "venue_order_id"), name="trading_order_venue_id"),
            models.Index(
                fields=("credential", "pair"), name="trading_order_live",
                condition=Q(status__in=[status.value for status in sorted(LIVE)]),
            ),
        )  # fmt: skip

    def __str__(self) -> str:
        return f"{self.side} {self.amount.normalize():f} {self.pair} {self.status}"


class Fill(models.Model):
    """One execution of an order. `realised_quote` is the profit it took out of the position."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="fills")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    credential = models.ForeignKey(CREDENTIAL, on_delete=models.PROTECT, related_name="+")
    pair = models.CharField(max_length=41)
    trade_id = models.CharField(max_length=80)
    venue_order_id = models.CharField(max_length=80)
    side = models.CharField(max_length=4, choices=_choices(Action))
    amount = _decimal()
    price = _decimal()
    fee = _decimal()
    fee_currency = models.CharField(max_length=20)
    realised_quote = _decimal(default=0)
    at = models.DateTimeField()

    class Meta:
        ordering = ("-at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("credential", "pair", "trade_id", "venue_order_id"), name="trading_fill_once"
            ),
        )
        indexes = (models.Index(fields=("user", "at"), name="trading_fill_daily"),)

    def __str__(self) -> str:
        return f"{self.side} {self.amount.normalize():f} {self.pair} at {self.price.normalize():f}"


class Position(models.Model):
    """What the bot itself holds of one coin in one account; the user's other coins are none of its business."""

    credential = models.ForeignKey(CREDENTIAL, on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    coin = models.CharField(max_length=20)
    quote = models.CharField(max_length=20)
    amount = _decimal(default=0)
    cost_quote = _decimal(default=0, help_text="What the held amount cost, fees included.")
    realised_quote = _decimal(default=0)
    entered_at = models.DateTimeField(null=True, blank=True, help_text="The last time something was bought.")
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ("coin", "quote")
        constraints = (models.UniqueConstraint(fields=("credential", "coin", "quote"), name="trading_position_once"),)
        indexes = (models.Index(fields=("user", "coin"), name="trading_position_user"),)

    def __str__(self) -> str:
        return f"{self.amount.normalize():f} {self.coin}"


class ExecutionReport(models.Model):
    """What happened to an order, in the order it became known. Rows are only ever added."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="reports")
    kind = models.CharField(max_length=20)
    data = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.kind} at {self.at:%Y-%m-%d %H:%M:%S}"


class AlertKind(models.TextChoices):
    """What only a person can judge."""

    ORPHAN = "orphan", "an order that is not ours"
    LOST_ROW = "lost_row", "an order that bears our id, but has no row here"
    UNPROVEN = "unproven", "placed or not: the exchange can't prove it"
    VANISHED = "vanished", "the exchange no longer knows an order that stood there"
    LATE = "late", "an order went on after its end"


class Alert(models.Model):
    """Something at an exchange that we must not touch or can't decide, told once. `key`: the order's id there, or ours
    in its absence. `settled_by`: who decided, `settlement`: what."""

    kind = models.CharField(max_length=10, choices=AlertKind)
    key = models.CharField(max_length=80)
    credential = models.ForeignKey(CREDENTIAL, on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    order = models.ForeignKey(Order, null=True, blank=True, on_delete=models.PROTECT, related_name="alerts")
    pair = models.CharField(max_length=41)
    message = models.CharField(max_length=500)
    data = models.JSONField(default=dict, blank=True)
    raised_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    settlement = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ("-raised_at", "-id")
        constraints = (models.UniqueConstraint(fields=("credential", "kind", "key"), name="trading_alert_once"),)
        indexes = (
            models.Index(fields=("raised_at",), name="trading_alert_open", condition=Q(settled_at__isnull=True)),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.pair} {self.key}"
