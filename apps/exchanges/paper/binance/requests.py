"""A Binance request once it is read: its parameters, and whose it is."""

from __future__ import annotations

from dataclasses import dataclass

from apps.exchanges.paper.binance.params import Params
from apps.exchanges.paper.engine import Exchange
from apps.exchanges.paper.ledger import Account


@dataclass(frozen=True, slots=True)
class Public:
    """A request anyone may send."""

    exchange: Exchange
    params: Params

    @property
    def symbol(self) -> str:
        """A listed symbol. Raises Refused or ApiError."""
        return self.exchange.listing(self.params.text("symbol")).symbol


@dataclass(frozen=True, slots=True)
class Signed(Public):
    """A request whose account is proven."""

    account: Account


def window(params: Params, **names: str) -> dict[str, int]:
    """The numbers that narrow a history: `since`, `until`, and the parameters that `names` maps to."""
    wanted = names | {"since": "startTime", "until": "endTime"}
    return {key: params.integer(name) for key, name in wanted.items() if name in params}
