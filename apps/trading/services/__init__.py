"""Writes of trading: commands to orders, orders to positions, and the limits they obey."""

from apps.trading.services.intake import deny
from apps.trading.services.outcomes import Outcome
from apps.trading.services.policy import change_policy, policy_of
from apps.trading.services.recovery import (
    Account,
    Permit,
    Reconciled,
    expire_unstarted,
    note_visit,
    orders_to_reconcile,
    reconcile,
)
from apps.trading.services.run import execute

__all__ = [
    "Account",
    "Outcome",
    "Permit",
    "Reconciled",
    "change_policy",
    "deny",
    "execute",
    "expire_unstarted",
    "note_visit",
    "orders_to_reconcile",
    "policy_of",
    "reconcile",
]
