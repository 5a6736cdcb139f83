"""Operators' view of venues and markets."""

from __future__ import annotations

from datetime import UTC, datetime

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from apps.exchanges import selectors
from apps.exchanges.domain.health import Health
from apps.exchanges.models import MarketRow, Venue
from tradebot import valkey


@admin.register(Venue)
class VenueAdmin(ModelAdmin):
    """With what the workers measure: it is read anew for every page, and absent where nobody asked the venue lately."""

    list_display = (
        "name",
        "dialect",
        "enabled",
        "sandbox",
        "state",
        "latency",
        "error_rate",
        "since",
        "synced_at",
        "note",
    )
    list_filter = ("enabled", "dialect")
    search_fields = ("name", "note")
    readonly_fields = ("synced_at", "state", "latency", "error_rate", "since", "why")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Venue]:
        self._measured = selectors.health_by_name()
        rows: QuerySet[Venue] = super().get_queryset(request)
        return rows

    def _health(self, venue: Venue) -> Health | None:
        return self._measured.get(venue.name)

    @admin.display(description="Circuit breaker")
    def state(self, venue: Venue) -> str:
        health = self._health(venue)
        if health is None:
            return "not measured"
        state = health.breaker(valkey.now_ms()).value.replace("_", " ")
        return f"{state}, maintenance" if health.maintenance else state

    @admin.display(description="Latency")
    def latency(self, venue: Venue) -> str:
        health = self._health(venue)
        return f"{health.latency_ms} ms" if health and health.answered_at_ms else "-"

    @admin.display(description="Errors")
    def error_rate(self, venue: Venue) -> str:
        health = self._health(venue)
        return f"{health.errors // 10}.{health.errors % 10} %" if health else "-"

    @admin.display(description="Since")
    def since(self, venue: Venue) -> datetime | None:
        health = self._health(venue)
        return datetime.fromtimestamp(health.since_ms // 1_000, UTC) if health and health.since_ms else None

    @admin.display(description="Why")
    def why(self, venue: Venue) -> str:
        health = self._health(venue)
        return health.why if health and health.why else "-"


@admin.register(MarketRow)
class MarketAdmin(ModelAdmin):
    """Read-only: the venue decides its rules."""

    list_display = ("pair", "venue", "tick", "step", "min_amount", "max_amount", "min_notional", "active")
    list_filter = ("venue", "active")
    search_fields = ("pair",)
    list_select_related = ("venue",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: MarketRow | None = None) -> bool:
        return False
