"""The crawlers' configuration and the nodes that crawl, as pages of the admin."""

from __future__ import annotations

from datetime import datetime

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from unfold.admin import ModelAdmin
from unfold.decorators import display

from apps.sources import config_selectors, node_selectors
from apps.sources.models_config import ConfigStatus, CrawlerNode

_COLOURS = {"in force": "success", "refused": "danger", "alive": "success", "late": "warning", "gone": "danger"}


class _Shown(ModelAdmin):
    """Rows that the workers write: people look at them."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        return False


@admin.register(ConfigStatus)
class ConfigStatusAdmin(_Shown):
    list_display = ("source", "standing", "sources", "revision", "loaded_at", "confirmed", "last_error")
    fields = (
        *("source", "standing", "sources", "revision", "digest", "loaded_at", "confirmed", "last_error", "failed_at"),
        *("failures", "watcher", "managed"),
    )
    readonly_fields = fields

    @display(description="Standing", label=_COLOURS)
    def standing(self, row: ConfigStatus) -> str:
        return "refused" if row.last_error else "in force"

    @admin.display(description="Confirmed")
    def confirmed(self, row: ConfigStatus) -> str:
        return _ago(row.checked_at)

    @admin.display(description="Sources that it manages")
    def managed(self, row: ConfigStatus) -> SafeString:
        rows = ((spec.name, spec.kind, "on" if spec.enabled else "off") for spec in config_selectors.managed_sources())
        return format_html_join("", "<div>{} <small>({}, {})</small></div>", rows)


@admin.register(CrawlerNode)
class CrawlerNodeAdmin(_Shown):
    list_display = ("name", "state", "seen", "fetches", "takes", "crawlers", "version", "host", "started_at")
    search_fields = ("name", "host")
    fields = (*list_display, "ended_at")
    readonly_fields = fields

    @display(description="State", label=_COLOURS)
    def state(self, row: CrawlerNode) -> str:
        return str(node_selectors.heard(row).state(timezone.now()))

    @admin.display(description="Last heard", ordering="seen_at")
    def seen(self, row: CrawlerNode) -> str:
        return _ago(row.seen_at)

    @admin.display(description="Queues")
    def takes(self, row: CrawlerNode) -> str:
        return ", ".join(row.queues)

    @admin.display(description="Plugins")
    def crawlers(self, row: CrawlerNode) -> str:
        return ", ".join(row.plugins)

    @admin.display(description="Fetches now")
    def fetches(self, row: CrawlerNode) -> str:
        return ", ".join(node_selectors.held_by(row.name)) or "-"


def _ago(at: datetime | None) -> str:
    if at is None:
        return "never"
    seconds = (timezone.now() - at).total_seconds()
    return f"{max(seconds, 0):.0f} s ago" if seconds < 120 else f"{timesince(at)} ago"
