"""Alerts as pages of the admin: what was found at an exchange, and the form in which a person says what it was."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from apps.trading import services
from apps.trading.models import Alert
from tradebot.contracts.errors import InvalidField

SEEN, NOT_PLACED, PLACED = "seen", "not_placed", "placed"
_ANSWERS = ((SEEN, "seen"), (NOT_PLACED, "it was not placed"), (PLACED, "it was, with this id"))


class AnswerForm(forms.ModelForm[Alert]):
    """What the person found."""

    answer = forms.ChoiceField(choices=_ANSWERS, widget=UnfoldAdminSelectWidget())
    venue_order_id = forms.CharField(
        required=False, max_length=80, widget=UnfoldAdminTextInputWidget(), help_text="The id that the exchange shows."
    )

    class Meta:
        model = Alert
        fields: tuple[str, ...] = ()


class AlertAdmin(ModelAdmin):
    """Open ones first; an answer is noted with who gave it."""

    form = AnswerForm
    list_display = ("raised_at", "kind", "user", "pair", "key", "message", "settled_at", "settlement", "settled_by")
    list_filter = ("kind", ("settled_at", admin.EmptyFieldListFilter))
    search_fields = ("key", "pair", "message", "user__username", "order__client_id")
    list_select_related = ("user", "settled_by")
    ordering = ("settled_at", "-raised_at")
    actions = ("acknowledge", "say_not_placed")
    shown = ("kind", "pair", "key", "message", "user", "credential", "order", "data", "raised_at")
    settled = ("settled_at", "settled_by", "settlement")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Alert | None = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: Alert | None = None) -> tuple[str, ...]:
        asked = () if obj is None or obj.settled_at else ("answer", "venue_order_id")
        return (*self.shown, *self.settled, *asked)

    def get_readonly_fields(self, request: HttpRequest, obj: Alert | None = None) -> tuple[str, ...]:
        return (*self.shown, *self.settled)

    def save_model(self, request: HttpRequest, obj: Alert, form: AnswerForm, change: bool) -> None:
        if "answer" in form.cleaned_data:
            self._say(request, obj, form.cleaned_data["answer"], form.cleaned_data["venue_order_id"])

    @admin.action(description="Seen", permissions=["change"])
    def acknowledge(self, request: HttpRequest, queryset: QuerySet[Alert]) -> None:
        for alert in queryset:
            self._say(request, alert, SEEN)

    @admin.action(description="It was not placed", permissions=["change"])
    def say_not_placed(self, request: HttpRequest, queryset: QuerySet[Alert]) -> None:
        for alert in queryset:
            self._say(request, alert, NOT_PLACED)

    def _say(self, request: HttpRequest, alert: Alert, answer: str, venue_order_id: str = "") -> None:
        who: Any = request.user
        now = timezone.now()
        try:
            services.settle(
                alert_id=alert.pk,
                by=who.pk,
                name=who.get_username(),
                answer=answer,
                venue_order_id=venue_order_id,
                now=now,
            )
        except InvalidField as error:
            messages.error(request, f"{alert}: {error.reason}")
