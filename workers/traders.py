"""Opening the door for a new trader: a user, a token, and a paper account that is funded and ready."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from apps.accounts import selectors, services
from apps.accounts.models import User
from apps.accounts.selectors import PAPER
from apps.exchanges.adapters import paper_admin
from tradebot.contracts.errors import InvalidField

_DEPOSIT = re.compile(r"^(?P<asset>[A-Z0-9]{1,20})=(?P<amount>[0-9]{1,15}(?:\.[0-9]{1,18})?)$")


@dataclass(frozen=True, slots=True)
class Trader:
    """Who can trade now. `token` is shown here and never again; `funded`: the account is new, the deposit is in it."""

    user_id: UUID
    credential_id: UUID
    token: str = field(repr=False)
    funded: bool


def open_trader(name: str, deposits: Mapping[str, Decimal], scopes: Sequence[str] = ()) -> Trader:
    """Create the user `name`, or find them; a new token, and a paper account with `deposits` unless they have one.

    Raises InvalidField for a bad name or scope, NotConfigured, VenueRejected or VenueUnavailable from the exchange.
    """
    user = User.objects.filter(username=name).first() or services.create_user(name=name)
    known = selectors.default_credential(user.pk)
    credential_id = known.id if known else _open_account(user, deposits)
    _, token = services.issue_token(user=user, name="manage.py trader", scopes=scopes)
    return Trader(user_id=user.pk, credential_id=credential_id, token=token, funded=known is None)


def read_deposits(given: Sequence[str]) -> dict[str, Decimal]:
    """`["USDT=10000"]` as amounts by asset; raises InvalidField for anything else, and for an asset given twice."""
    amounts: dict[str, Decimal] = {}
    for text in given:
        read = _DEPOSIT.match(text)
        if read is None or not Decimal(read["amount"]):
            raise InvalidField("--deposit", f"{text!r} is not ASSET=AMOUNT with an amount over 0, as USDT=10000")
        if read["asset"] in amounts:
            raise InvalidField("--deposit", f"{read['asset']} is given twice; give each asset once")
        amounts[read["asset"]] = Decimal(read["amount"])
    return amounts


def _open_account(user: User, deposits: Mapping[str, Decimal]) -> UUID:
    """The account first: a credential without one would be checked, and refused, by a worker meanwhile."""
    api_key, secret = services.new_key(), services.new_key()
    paper_admin.open_account(api_key, secret, deposits)
    row = services.save_credential(user=user, venue=PAPER, api_key=api_key, secret=secret, label="paper")
    services.mark_credential(credential_id=row.pk, active=True)
    return row.pk
