"""Operators see what could not be handled, send it back or drop it."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from tradebot.messaging import services
from tradebot.messaging.models import DeadLetter, OutboxMessage


class ReadOnlyAdmin(ModelAdmin):
    """Rows that people look at and never edit."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        return False


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnlyAdmin):
    list_display = ("dead_at", "stage", "reason", "attempts", "state")
    list_filter = ("state", "stage")
    search_fields = ("reason", "root_ids")
    actions = ("retry", "drop")

    def has_settle_permission(self, request: HttpRequest) -> bool:
        """Who may change dead letters may settle them; the page itself stays read-only for everybody."""
        return request.user.has_perm("messaging.change_deadletter")

    @admin.action(description="Send back to its stage", permissions=["settle"])
    def retry(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> None:
        done = services.retry_dead_letters(list(queryset.values_list("id", flat=True)))
        messages.success(request, f"{done.sent} sent back")
        for reason in done.refused:
            messages.error(request, reason)

    @admin.action(description="Drop", permissions=["settle"])
    def drop(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> None:
        count = services.drop_dead_letters(list(queryset.values_list("id", flat=True)))
        messages.success(request, f"{count} dropped")


@admin.register(OutboxMessage)
class OutboxAdmin(ReadOnlyAdmin):
    list_display = ("id", "kind", "queue", "created_at")
    list_filter = ("kind",)
