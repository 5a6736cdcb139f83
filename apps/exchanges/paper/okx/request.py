"""What an endpoint gets: the exchange, the fields that were sent, and whose they are."""

from __future__ import annotations

from dataclasses import dataclass

from apps.exchanges.paper.engine import Exchange
from apps.exchanges.paper.ledger import Account
from apps.exchanges.paper.okx.errors import missing, unknown_instrument
from apps.exchanges.paper.okx.params import Params
from apps.exchanges.paper.trade import Listing


@dataclass(frozen=True, slots=True)
class Public:
    """A request anyone may send."""

    exchange: Exchange
    params: Params

    @property
    def listing(self) -> Listing:
        """The market of `instId`. Raises ApiError 51001, 50014."""
        return self.listed("instId")

    def listed(self, name: str) -> Listing:
        base, _, quote = self.params.text(name).partition("-")
        found = self.exchange.listings.get(base + quote)
        if found is None or found.base != base:
            raise unknown_instrument()
        return found

    @property
    def listings(self) -> list[Listing]:
        """The one of `instId`, else all."""
        return [self.listing] if "instId" in self.params else list(self.exchange.listings.values())


@dataclass(frozen=True, slots=True)
class Signed(Public):
    """A request whose account is proven."""

    account: Account


def spot(request: Public) -> bool:
    """Whether the request is about spot. Raises ApiError 50014 when it does not say."""
    kind = request.params.optional("instType")
    if not kind:
        raise missing("instType")
    return kind == "SPOT"
