"""Operators' view of venues and markets."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from apps.exchanges.models import MarketRow, Venue


@admin.register(Venue)
class VenueAdmin(ModelAdmin):
    list_display = ("name", "dialect", "enabled", "sandbox", "base_url", "synced_at", "note")
    list_filter = ("enabled", "dialect")
    search_fields = ("name", "note")
    readonly_fields = ("synced_at",)


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
