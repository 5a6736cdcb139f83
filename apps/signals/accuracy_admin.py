"""Whether signals were right, as pages of the admin: the chart, the marks, and the sources that were demoted."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display

from apps.signals import accuracy_selectors, accuracy_services
from apps.signals.accuracy_chart import chart
from apps.signals.accuracy_settings import current
from apps.signals.domain.accuracy import Tally, spoken
from apps.signals.models_accuracy import AccuracyScore, Demotion, SignalAccuracy

_COLOURS = {
    "marked": "success",
    "waiting": "info",
    "given up": "warning",
    "demoted": "danger",
    "lifted": "success",
}


class _Shown(ModelAdmin):
    """Rows that the workers write: people look at them."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        return False


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


@admin.register(AccuracyScore)
class AccuracyScoreAdmin(_Shown):
    list_before_template = "admin/signals/accuracy.html"
    list_display = ("kind", "name", "after", "calls", "right", "between", "momentum", "always_up", "flat", "updated_at")
    list_display_links = None
    list_filter = ("kind", "horizon")
    search_fields = ("name",)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        given = current()
        shown = {
            "chart": chart([score for kind in AccuracyScore.Kind for score in accuracy_selectors.scores(kind)]),
            "band": f"{given.band:.2%}",
            "days": given.window.days,
            "decisive": spoken(given.decisive),
            "baseline": _percent(accuracy_selectors.baseline()),
            "first": spoken(given.horizons[0]),
            "progress": accuracy_selectors.progress(),
        }
        page: HttpResponse = super().changelist_view(request, {**(extra_context or {}), "accuracy": shown})
        return page

    @admin.display(description="After", ordering="horizon")
    def after(self, row: AccuracyScore) -> str:
        return spoken(row.horizon)

    @admin.display(description="Right")
    def right(self, row: AccuracyScore) -> str:
        return _percent(_tally(row).rate)

    @admin.display(description="95 % interval")
    def between(self, row: AccuracyScore) -> str:
        low, high = _tally(row).interval
        return f"{low:.0%} to {high:.0%}" if row.calls else "-"

    @admin.display(description="Momentum")
    def momentum(self, row: AccuracyScore) -> str:
        return _percent(_tally(row).momentum)

    @admin.display(description="Always up")
    def always_up(self, row: AccuracyScore) -> str:
        return _percent(_tally(row).up)


def _tally(row: AccuracyScore) -> Tally:
    return Tally(row.calls, row.hits, row.flat, row.momentum_calls, row.momentum_hits, row.up_hits)


@admin.register(SignalAccuracy)
class SignalAccuracyAdmin(_Shown):
    list_display = ("at", "signal", "coin", "after", "standing", "outcome", "moved", "venue", "pair", "reason")
    list_filter = ("state", "outcome", "horizon", "venue", "at")
    list_select_related = ("signal",)
    search_fields = ("coin", "reason", "signal__sources__icontains", "=signal__id")
    date_hierarchy = "at"

    @admin.display(description="After", ordering="horizon")
    def after(self, row: SignalAccuracy) -> str:
        return spoken(row.horizon)

    @display(description="State", label=_COLOURS, ordering="state")
    def standing(self, row: SignalAccuracy) -> str:
        return str(row.get_state_display())

    @admin.display(description="Move", ordering="move")
    def moved(self, row: SignalAccuracy) -> str:
        return "-" if row.move is None else f"{row.move:+.2%}"


@admin.register(Demotion)
class DemotionAdmin(_Shown):
    list_display = ("source", "standing", "since", "reason", "lifted_at", "lifted_by")
    list_filter = ("since",)
    list_select_related = ("lifted_by",)
    search_fields = ("source", "reason")
    actions = ("lift",)

    def has_lift_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("signals.change_demotion")

    @display(description="Standing", label=_COLOURS)
    def standing(self, row: Demotion) -> str:
        return "lifted" if row.lifted_at else "demoted"

    @admin.action(description="Trust it again, from a new record", permissions=["lift"])
    def lift(self, request: HttpRequest, queryset: QuerySet[Demotion]) -> None:
        now, by = timezone.now(), request.user.pk
        count = sum(accuracy_services.lift(demotion_id=row.id, by=by, now=now) for row in queryset)
        self.message_user(request, f"{count} trusted again")
