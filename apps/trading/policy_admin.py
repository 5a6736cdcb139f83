"""Limits and the kill switch in the admin: every change is noted with who made it, and halting asks why."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.widgets import UnfoldAdminTextareaWidget

from apps.trading import services
from apps.trading.models import PolicyChange, RiskPolicy, Way
from apps.trading.services.policy import FIELDS, LONGEST_REASON
from tradebot.contracts.values import KillSwitch

WHAT = {
    KillSwitch.ACTIVE: ("Resume", "Entries are made again, within the limits below."),
    KillSwitch.REDUCING: (
        "Only reduce",
        "Nothing is bought any more. Sales go on, and what is held stays protected.",
    ),
    KillSwitch.HALTED: (
        "Halt",
        "Nothing is bought any more. Stops and targets of what is held are kept, and made again if they are missing.",
    ),
}
"""What a state's button says, and what it does."""


class ReasonForm(forms.Form):
    """Why the switch is turned."""

    reason = forms.CharField(
        max_length=LONGEST_REASON,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "autofocus": True}),
        help_text="Others will read this when they ask why nothing is bought.",
    )


class RiskPolicyAdmin(ModelAdmin):
    """The row without a user is the platform's. The kill switch has buttons of its own, which ask for a reason."""

    list_display = (
        "__str__", "kill_switch", "max_daily_loss", "position_limit", "cooling_period", "max_order_rate",
        "max_depth_share", "max_price_move", "updated_at",
    )  # fmt: skip
    list_filter = ("kill_switch",)
    search_fields = ("user__username",)
    list_select_related = ("user",)
    readonly_fields = ("kill_switch", "updated_at")
    actions_detail = ("halt", "reduce", "resume")

    def get_readonly_fields(self, request: HttpRequest, obj: RiskPolicy | None = None) -> tuple[str, ...]:
        """Whose policy it is never changes."""
        return ("user", *self.readonly_fields) if obj else self.readonly_fields

    def has_delete_permission(self, request: HttpRequest, obj: RiskPolicy | None = None) -> bool:
        """Without its row everything would be allowed again, and nobody could read who did it."""
        return False

    def save_model(self, request: HttpRequest, obj: RiskPolicy, form: Any, change: bool) -> None:
        changes = {name: getattr(obj, name) for name in FIELDS if name in form.cleaned_data}
        stored = services.change_policy(
            user_id=obj.user_id, changes=changes, by=_by(request), now=timezone.now(), reason=""
        )
        obj.pk, obj._state.adding = stored.pk, False

    @action(description="Halt", url_path="halt", icon="front_hand")
    def halt(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._turn(request, object_id, KillSwitch.HALTED)

    @action(description="Only reduce", url_path="reduce", icon="trending_down")
    def reduce(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._turn(request, object_id, KillSwitch.REDUCING)

    @action(description="Resume", url_path="resume", icon="play_arrow")
    def resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._turn(request, object_id, KillSwitch.ACTIVE)

    def _turn(self, request: HttpRequest, object_id: str, state: KillSwitch) -> HttpResponse:
        """Ask for the reason, then do it."""
        policy: RiskPolicy | None = self.get_object(request, unquote(str(object_id)))
        if policy is None:
            raise Http404("there is no such policy")
        if not self.has_change_permission(request, policy):
            raise PermissionDenied
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            return self._turned(request, policy, state, form.cleaned_data["reason"])
        return self._asked(request, policy, state, form)

    def _turned(self, request: HttpRequest, policy: RiskPolicy, state: KillSwitch, reason: str) -> HttpResponse:
        services.switch(user_id=policy.user_id, state=state, by=_by(request), reason=reason, now=timezone.now())
        messages.success(request, f"{_whose(policy)} is {state.value} from the next order on.")
        return HttpResponseRedirect(reverse("admin:trading_riskpolicy_change", args=[policy.pk]))

    def _asked(self, request: HttpRequest, policy: RiskPolicy, state: KillSwitch, form: ReasonForm) -> HttpResponse:
        title, effect = WHAT[state]
        context = {
            **self.admin_site.each_context(request),
            "title": f"{title}: {_whose(policy)}",
            "opts": self.model._meta,
            "policy": policy,
            "button": title,
            "effect": effect,
            "whose": _whose(policy),
            "form": form,
        }
        return render(request, "admin/trading/switch.html", context)


class PolicyChangeAdmin(ModelAdmin):
    """What was changed, by whom and why; nobody changes it afterwards."""

    list_display = ("at", "whose", "what", "reason", "by_name", "way")
    list_filter = ("way",)
    search_fields = ("user__username", "by_name", "reason")
    list_select_related = ("user",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: PolicyChange | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: PolicyChange | None = None) -> bool:
        return False

    def whose(self, change: PolicyChange) -> str:
        return str(change.user) if change.user else "the platform"

    def what(self, change: PolicyChange) -> str:
        told = (f"{field}: {_shown(before)} → {_shown(after)}" for field, (before, after) in change.changes.items())
        return "; ".join(told)


def _shown(value: object) -> str:
    if value is None:
        return "no limit"
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


def _whose(policy: RiskPolicy) -> str:
    return f"the trading of {policy.user}" if policy.user else "the whole platform"


def _by(request: HttpRequest) -> services.By:
    who: Any = request.user
    return services.By(who.get_username(), Way.ADMIN, who.pk)
