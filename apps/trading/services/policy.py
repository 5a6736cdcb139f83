"""Changing limits and the kill switch, of one user or the platform: whatever the way, a row says who did it and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from apps.trading.domain.numbers import plain
from apps.trading.models import PolicyChange, RiskPolicy, Way
from tradebot.contracts.errors import InvalidField
from tradebot.contracts.values import KillSwitch

FIELDS = (
    "max_daily_loss",
    "position_limit",
    "cooling_period",
    "blacklist",
    "max_order_rate",
    "max_depth_share",
    "max_price_move",
    "kill_switch",
)
LONGEST_REASON = 500
_STRICTNESS = {KillSwitch.ACTIVE.value: 0, KillSwitch.REDUCING.value: 1, KillSwitch.HALTED.value: 2}


@dataclass(frozen=True, slots=True)
class By:
    """Who changes something, and where. `user_id` is None for someone at the server's own console."""

    name: str
    way: Way
    user_id: UUID | None = None


def policy_of(user_id: UUID | None) -> RiskPolicy:
    """The user's policy, or the platform's for None; one without limits, not stored, if nobody ever set any."""
    return RiskPolicy.objects.filter(_of(user_id)).first() or RiskPolicy(user_id=user_id)


@transaction.atomic
def change_policy(
    *, user_id: UUID | None, changes: dict[str, Any], by: By, now: datetime, reason: str = ""
) -> RiskPolicy:
    """Set these fields (of FIELDS, already validated) of the user's policy, or of the platform's for None.

    What is decided after the commit obeys them. Every real change leaves one PolicyChange. Raises InvalidField when
    users turn back a switch of their own that somebody else has turned.
    """
    RiskPolicy.objects.filter(_of(user_id)).get_or_create(defaults={"user_id": user_id})
    policy = RiskPolicy.objects.select_for_update().get(_of(user_id))
    _check_switch(policy, changes, by)
    told = {}
    for name in FIELDS:
        before, after = getattr(policy, name), changes.get(name, getattr(policy, name))
        if before != after:
            told[name] = [_plain(before), _plain(after)]
            setattr(policy, name, after)
    if told:
        policy.save()
        PolicyChange.objects.create(
            user_id=user_id,
            by_id=by.user_id,
            by_name=by.name,
            way=by.way.value,
            changes=told,
            reason=reason[:LONGEST_REASON],
            at=now,
        )
    return policy


def switch(*, user_id: UUID | None, state: KillSwitch, by: By, reason: str, now: datetime) -> RiskPolicy:
    """Turn the kill switch of a user, or of the platform for None. Raises InvalidField without a reason: whoever finds
    everything halted must be able to read why."""
    if not reason.strip():
        raise InvalidField("reason", "say why: others will ask")
    return change_policy(user_id=user_id, changes={"kill_switch": state.value}, by=by, reason=reason.strip(), now=now)


def last_switch(user_id: UUID | None) -> PolicyChange | None:
    """The last change of a kill switch, by whomever."""
    return _switches(user_id).first()


def _switches(user_id: UUID | None) -> QuerySet[PolicyChange]:
    """The newest first."""
    return PolicyChange.objects.filter(_of(user_id), changes__has_key="kill_switch")


def _check_switch(policy: RiskPolicy, changes: dict[str, Any], by: By) -> None:
    if "kill_switch" not in changes or by.user_id is None or by.user_id != policy.user_id:
        return
    others = _switches(policy.user_id).exclude(by_id=by.user_id).first()
    floor = others.changes["kill_switch"][1] if others else KillSwitch.ACTIVE.value
    if others and _STRICTNESS[changes["kill_switch"]] < _STRICTNESS[floor]:
        raise InvalidField("kill_switch", f"{others.by_name} set it to {floor}: ask them, or another operator")


def _of(user_id: UUID | None) -> Q:
    return Q(user__isnull=True) if user_id is None else Q(user_id=user_id)


def _plain(value: Any) -> Any:
    return plain(value) if isinstance(value, Decimal) else value
