"""Writes of trading: commands to orders, orders to positions, and the limits they obey.

For the streams process: `absorb_report(credential_id, report: VenueOrder, now: datetime) -> Heard | None` and
`absorb_fill(credential_id, fill: VenueFill, now: datetime, client_id="") -> Heard | None` book what a stream says, by
the code that REST uses; when `Heard.guards_due`, call `keep_guards(venue=, credential_id=, pair=, now=clock)`.
`on_price(venue=, credential_id=, ticker=, now=clock) -> bool` acts on a price that a guard waits for. A clock is a
function that returns an aware datetime.
"""

from apps.trading.services.alerts import ANSWERS, settle
from apps.trading.services.guards import keep as keep_guards
from apps.trading.services.guards import on_price
from apps.trading.services.hearing import Heard, absorb_fill, absorb_report, note_stranger
from apps.trading.services.intake import arrival, deny
from apps.trading.services.outcomes import Outcome
from apps.trading.services.policy import By, change_policy, policy_of, switch
from apps.trading.services.recovery import (
    Account,
    Reconciled,
    expire_unstarted,
    note_visit,
    orders_to_reconcile,
    reconcile,
)
from apps.trading.services.run import Permit, execute

__all__ = [
    "ANSWERS",
    "Account",
    "By",
    "Heard",
    "Outcome",
    "Permit",
    "Reconciled",
    "absorb_fill",
    "absorb_report",
    "arrival",
    "change_policy",
    "deny",
    "execute",
    "expire_unstarted",
    "keep_guards",
    "note_stranger",
    "note_visit",
    "on_price",
    "orders_to_reconcile",
    "policy_of",
    "reconcile",
    "settle",
    "switch",
]
