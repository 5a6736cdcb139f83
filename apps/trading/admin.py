"""Operators' view of trading: everything that happened is read-only, the limits are theirs to set."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from apps.trading import receipts
from apps.trading.alert_admin import AlertAdmin
from apps.trading.models import Alert, Command, ExecutionReport, Fill, Order, PolicyChange, Position, RiskPolicy
from apps.trading.policy_admin import PolicyChangeAdmin, RiskPolicyAdmin
from apps.trading.receipt_admin import ReceiptPage


class ReadOnly:
    """Rows that the trading services alone may write."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class OrderInline(ReadOnly, TabularInline):
    model = Order
    fields = ("attempt", "type", "side", "amount", "price", "stop_price", "status", "filled", "average", "reason")
    show_change_link = True


class FillInline(ReadOnly, TabularInline):
    model = Fill
    fields = ("trade_id", "side", "amount", "price", "fee", "fee_currency", "realised_quote", "at")


class ReportInline(ReadOnly, TabularInline):
    model = ExecutionReport
    fields = ("kind", "data", "at")


@admin.register(Command)
class CommandAdmin(ReceiptPage, ReadOnly, ModelAdmin):
    receipt_of = staticmethod(receipts.of_command)
    list_display = ("created_at", "user", "leg", "action", "pair", "mode", "state", "code", "reason")
    list_filter = ("state", "leg", "mode", "code", "exchange")
    search_fields = ("id", "strategy_id", "signal_id", "root_id", "pair", "user__username")
    list_select_related = ("user",)
    inlines = (OrderInline,)


@admin.register(Order)
class OrderAdmin(ReceiptPage, ReadOnly, ModelAdmin):
    receipt_of = staticmethod(receipts.of_order)
    list_display = ("created_at", "user", "leg", "side", "pair", "type", "amount", "status", "filled", "average")
    list_filter = ("status", "leg", "side", "type", "exchange")
    search_fields = ("id", "client_id", "venue_order_id", "command__signal_id", "pair", "user__username")
    list_select_related = ("user",)
    inlines = (FillInline, ReportInline)


@admin.register(Fill)
class FillAdmin(ReadOnly, ModelAdmin):
    list_display = ("at", "user", "side", "pair", "amount", "price", "fee", "fee_currency", "realised_quote")
    list_filter = ("side",)
    search_fields = ("trade_id", "venue_order_id", "pair", "user__username")
    list_select_related = ("user",)


@admin.register(Position)
class PositionAdmin(ReadOnly, ModelAdmin):
    list_display = ("user", "coin", "quote", "amount", "cost_quote", "realised_quote", "updated_at")
    list_filter = ("coin",)
    search_fields = ("coin", "user__username")
    list_select_related = ("user",)


@admin.register(ExecutionReport)
class ReportAdmin(ReadOnly, ModelAdmin):
    list_display = ("at", "order", "kind")
    list_filter = ("kind",)
    search_fields = ("order__id", "order__client_id")
    list_select_related = ("order",)


admin.site.register(Alert, AlertAdmin)
admin.site.register(RiskPolicy, RiskPolicyAdmin)
admin.site.register(PolicyChange, PolicyChangeAdmin)
