"""Operators see what was judged of which post, by whom and why. Nothing here is edited by hand."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin import EmptyFieldListFilter
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline

from apps.signals import accuracy_admin  # noqa: F401 - Django looks for pages in this module
from apps.signals.models import Analysis, Coin, Signal
from apps.signals.models_clusters import Cluster, ClusterPost

SHOWN = 200
"""Characters of a post in a list."""


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
    list_filter = ("type", "event", "mood", ("shadow", EmptyFieldListFilter), "timestamp")
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
        "mood",
        "call",
        "cluster",
        "shadow",
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


class _Posts(TabularInline):
    """Who told the story, the first one first."""

    model = ClusterPost
    fields = readonly_fields = ("said_at", "voice", "words", "confidence", "with_support", "copy_of", "shadow")
    ordering = ("signal__timestamp", "signal_id")
    extra = 0
    can_delete = False
    show_change_link = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[ClusterPost]:
        found: QuerySet[ClusterPost] = super().get_queryset(request)
        return found.select_related("signal__post").defer("sketch", "vector")

    def has_add_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        return False

    @admin.display(description="posted")
    def said_at(self, told: ClusterPost) -> datetime:
        return told.signal.timestamp

    @admin.display(description="words")
    def words(self, told: ClusterPost) -> str:
        return str(told.signal.post.clean_text)[:SHOWN]

    @admin.display(description="with support")
    def with_support(self, told: ClusterPost) -> float:
        return told.signal.confidence

    @admin.display(description="only a shadow")
    def shadow(self, told: ClusterPost) -> str:
        return told.signal.shadow


@admin.register(Cluster)
class ClusterAdmin(_ReadOnly):
    list_display = ("opened_at", "type", "coin_list", "event", "told", "owner")
    list_filter = ("type", "event", "opened_at")
    search_fields = ("coins__icontains", "event", "posts__voice", "=id")
    list_select_related = ("owner",)
    date_hierarchy = "opened_at"
    fields = ("id", "type", "coins", "event", "opened_at", "owner", "created_at")
    inlines = (_Posts,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Cluster]:
        found: QuerySet[Cluster] = super().get_queryset(request)
        return found.annotate(told_by=Count("posts"))

    @admin.display(description="coins")
    def coin_list(self, story: Cluster) -> str:
        return ", ".join(story.coins)

    @admin.display(description="posts", ordering="told_by")
    def told(self, story: Any) -> int:
        return int(story.told_by)
