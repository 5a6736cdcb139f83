"""Operators see what was judged of which post, by whom and why. Nothing here is edited by hand."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from apps.signals.models import Analysis, Coin, Signal


class _ReadOnly(ModelAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        return False


def _quotes(row: Signal | Analysis) -> SafeString:
    quotes = ((each["quote"], each["kind"], each["weight"], each["model"]) for each in row.evidence)
    return format_html_join("", "<p>“{}”: {}, {} ({})</p>", quotes)


@admin.register(Signal)
class SignalAdmin(_ReadOnly):
    list_display = ("timestamp", "type", "confidence", "coin_list", "event", "source_list", "owner", "dispatched_at")
    list_filter = ("type", "event", "timestamp")
    search_fields = ("coins__icontains", "sources__icontains", "event", "post__clean_text", "=id")
    list_select_related = ("owner",)
    date_hierarchy = "timestamp"
    fields = (
        "id",
        "type",
        "confidence",
        "coins",
        "event",
        "quotes",
        "sources",
        "timestamp",
        "post",
        "owner",
        "versions",
        "created_at",
        "dispatched_at",
    )
    readonly_fields = ("quotes",)

    @admin.display(description="coins")
    def coin_list(self, signal: Signal) -> str:
        return ", ".join(signal.coins)

    @admin.display(description="sources")
    def source_list(self, signal: Signal) -> str:
        return ", ".join(signal.sources)

    @admin.display(description="evidence")
    def quotes(self, signal: Signal) -> SafeString:
        return _quotes(signal)


@admin.register(Analysis)
class AnalysisAdmin(_ReadOnly):
    list_display = ("created_at", "analyzer", "direction", "confidence", "event", "error", "model_version")
    list_filter = ("analyzer", "direction", "event", "model_version", "created_at")
    search_fields = ("post__clean_text", "event", "error", "=post__id")
    fields = (
        "post",
        "analyzer",
        "model_version",
        "direction",
        "confidence",
        "event",
        "quotes",
        "error",
        "created_at",
    )
    readonly_fields = ("quotes",)

    @admin.display(description="evidence")
    def quotes(self, analysis: Analysis) -> SafeString:
        return _quotes(analysis)


@admin.register(Coin)
class CoinAdmin(_ReadOnly):
    list_display = ("symbol", "name", "alias_list", "description")
    search_fields = ("symbol", "name", "aliases", "description")
    fields = ("symbol", "name", "aliases", "description", "embedder")

    @admin.display(description="aliases")
    def alias_list(self, coin: Coin) -> str:
        return ", ".join(coin.aliases)
