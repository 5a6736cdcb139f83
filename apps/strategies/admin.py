"""Operators' view of strategies, their versions, and what each decided."""

from __future__ import annotations

import json
from typing import Any, cast
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline
from unfold.widgets import UnfoldAdminTextareaWidget

from apps.strategies import selectors, services
from apps.strategies.domain.fields import InvalidFields
from apps.strategies.models import Cooldown, Match, Strategy, StrategyVersion
from tradebot.contracts.errors import InvalidField

EXAMPLE = {
    "watch_list": {"twitter_users": [], "telegram_groups": [], "feeds": [], "keywords": [], "coins": []},
    "actions": {"bullish": {"percentage": 10, "max_amount": 100}, "bearish": {"percentage": 50, "stop_loss": 10}},
}


class SpecField(forms.JSONField):
    """JSON that people can read."""

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, str):
            return value
        return json.dumps(value, indent=2, ensure_ascii=False)


class StrategyForm(forms.ModelForm[Strategy]):
    """A strategy as the API takes it; a save makes a new version."""

    spec = SpecField(widget=UnfoldAdminTextareaWidget(attrs={"rows": 32, "class": "font-mono"}), initial=EXAMPLE)

    class Meta:
        model = Strategy
        fields = ("user",)

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        if not self.instance._state.adding:
            self.initial["spec"] = selectors.spec_of(self.instance)

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        owner = self.instance.user_id if not self.instance._state.adding else getattr(given.get("user"), "pk", None)
        if owner and "spec" in given:
            self._check(owner, given["spec"])
        return given

    def _check(self, owner: UUID, spec: Any) -> None:
        try:
            services.check(user_id=owner, raw=spec)
        except InvalidFields as error:
            self.add_error("spec", [f"{problem.field or 'the whole'}: {problem.reason}" for problem in error.errors])
        except InvalidField as error:
            self.add_error("spec", f"{error.field}: {error.reason}")


class _Seen:
    """Rows that people look at and don't touch."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class VersionInline(_Seen, TabularInline):
    model = StrategyVersion
    fields = ("number", "author", "created_at", "spec")
    readonly_fields = fields
    extra = 0


@admin.register(Strategy)
class StrategyAdmin(ModelAdmin):
    form = StrategyForm
    list_display = ("name", "user", "mode", "enabled", "version", "updated_at")
    list_select_related = ("user",)
    list_filter = ("enabled", "mode")
    search_fields = ("name", "user__username")
    autocomplete_fields = ("user",)
    actions = ("switch_on", "switch_off", "delete_for_good")
    shown = ("name", "mode", "enabled", "credential_id", "version", "created_at", "updated_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Strategy]:
        existing: QuerySet[Strategy] = super().get_queryset(request).filter(deleted_at=None)
        return existing

    def get_readonly_fields(self, request: HttpRequest, obj: Strategy | None = None) -> tuple[str, ...]:
        return ("user", *self.shown) if obj else ()

    def get_inlines(self, request: HttpRequest, obj: Strategy | None) -> tuple[type[TabularInline], ...]:
        return (VersionInline,) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Strategy | None = None) -> bool:
        """Rows stay because commands name them; `delete_for_good` does what deleting would be for."""
        return False

    def save_model(self, request: HttpRequest, obj: Strategy, form: StrategyForm, change: bool) -> None:
        spec, author = form.cleaned_data["spec"], _author(request)
        if change:
            saved = services.replace(strategy_id=obj.pk, raw=spec, author_id=author)
        else:
            saved = services.create(user_id=obj.user_id, raw=spec, author_id=author)
        obj.pk = saved.id
        obj._state.adding = False
        obj.refresh_from_db()

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[Strategy]) -> None:
        self._switch(request, queryset, enabled=True)

    @admin.action(description="Switch off", permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Strategy]) -> None:
        self._switch(request, queryset, enabled=False)

    @admin.action(description="Delete", permissions=["change"])
    def delete_for_good(self, request: HttpRequest, queryset: QuerySet[Strategy]) -> None:
        for strategy_id in queryset.values_list("pk", flat=True):
            services.delete(strategy_id=strategy_id)
        messages.success(request, "Deleted. Their orders and their protection stay.")

    def _switch(self, request: HttpRequest, queryset: QuerySet[Strategy], *, enabled: bool) -> None:
        for row in queryset:
            try:
                services.update(strategy_id=row.pk, changes={"enabled": enabled}, author_id=_author(request))
            except InvalidField as error:
                messages.error(request, f"{row}: {error}")


@admin.register(Match)
class MatchAdmin(_Seen, ModelAdmin):
    list_display = ("created_at", "strategy", "matched", "reason", "pair", "detail")
    list_select_related = ("strategy",)
    list_filter = ("matched", "reason")
    search_fields = ("strategy__name", "detail", "pair")
    show_full_result_count = False
    fields = (
        "strategy",
        "signal_id",
        "version",
        "matched",
        "reason",
        "detail",
        "coin",
        "pair",
        "command",
        "created_at",
    )


@admin.register(Cooldown)
class CooldownAdmin(_Seen, ModelAdmin):
    """An operator may end a cool-down by deleting it."""

    list_display = ("strategy", "coin", "until")
    list_select_related = ("strategy",)
    search_fields = ("strategy__name", "coin")

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return cast(bool, ModelAdmin.has_delete_permission(self, request, obj))


def _author(request: HttpRequest) -> UUID:
    return cast(UUID, request.user.pk)
