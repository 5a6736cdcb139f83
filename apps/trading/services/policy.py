"""Changing limits: a user's own policy."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction

from apps.trading.models import RiskPolicy

FIELDS = ("max_daily_loss", "position_limit", "cooling_period", "blacklist", "kill_switch")


def policy_of(user_id: UUID) -> RiskPolicy:
    """The user's policy; one without limits, not stored, if they never set any."""
    return RiskPolicy.objects.filter(user_id=user_id).first() or RiskPolicy(user_id=user_id)


@transaction.atomic
def change_policy(*, user_id: UUID, changes: dict[str, Any]) -> RiskPolicy:
    """Set these fields (of FIELDS, already validated) of the user's policy; the next order obeys them."""
    RiskPolicy.objects.get_or_create(user_id=user_id)
    policy = RiskPolicy.objects.select_for_update().get(user_id=user_id)
    for name in FIELDS:
        setattr(policy, name, changes.get(name, getattr(policy, name)))
    policy.save()
    return policy
