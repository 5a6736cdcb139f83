"""How much a caller may ask for: request weight by address, orders by account; what each used; who is shut out."""

from __future__ import annotations

from dataclasses import dataclass, field

from apps.exchanges.paper.usage import Usage

MINUTE_MS = 60_000
TEN_SECONDS_MS = 10_000
DAY_MS = 86_400_000
DEFAULT_WEIGHT = 600_000
DEFAULT_ORDERS = 10_000
DEFAULT_DAY = 10_000_000


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A limit that was passed: `retry_after` in seconds, `until` in ms; `banned`: the address ignored it before."""

    what: str
    limit: int
    retry_after: int
    until: int
    banned: bool = False


@dataclass(slots=True)
class Limits:
    """`weight` per address and minute, `orders` per account and ten seconds, `day` per account and day.

    The defaults are generous, a hundred times Binance's: the limits are there to be lowered on purpose.
    An address that asks `patience` times more in a minute in which it is over is banned for `ban_s` seconds.
    """

    weight: int = DEFAULT_WEIGHT
    orders: int = DEFAULT_ORDERS
    day: int = DEFAULT_DAY
    patience: int = 10
    ban_s: int = 120
    _weights: Usage = field(default_factory=lambda: Usage(MINUTE_MS))
    _orders: Usage = field(default_factory=lambda: Usage(TEN_SECONDS_MS))
    _days: Usage = field(default_factory=lambda: Usage(DAY_MS))
    _ignored: Usage = field(default_factory=lambda: Usage(MINUTE_MS))
    _banned: dict[str, int] = field(default_factory=dict)

    def spend(self, address: str, weight: int, now: int) -> tuple[int, Exceeded | None]:
        """Count a request. Returns the weight used in this minute, and why the request is refused if it is."""
        until = self._banned.get(address, 0)
        if until > now:
            return self._weights.add(address, 0, now), self._exceeded("weight", until, now, banned=True)
        used = self._weights.add(address, weight, now)
        if used <= self.weight:
            return used, None
        if self._ignored.add(address, 1, now) > self.patience:
            self._banned[address] = until = now + self.ban_s * 1000
            return used, self._exceeded("weight", until, now, banned=True)
        return used, self._exceeded("weight", _end(now, MINUTE_MS), now)

    def order(self, account: str, now: int) -> Exceeded | None:
        """Why this account may place no order now, if so."""
        if self._orders.add(account, 0, now) >= self.orders:
            return self._exceeded("orders", _end(now, TEN_SECONDS_MS), now)
        if self._days.add(account, 0, now) >= self.day:
            return self._exceeded("day", _end(now, DAY_MS), now)
        return None

    def ordered(self, account: str, now: int, count: int = 1) -> tuple[int, int]:
        """Count orders that were accepted. Returns those of the ten seconds and of the day."""
        return self._orders.add(account, count, now), self._days.add(account, count, now)

    def forgive(self) -> None:
        """Forget every ban and all that was used."""
        self._banned.clear()
        for usage in (self._weights, self._orders, self._days, self._ignored):
            usage.clear()

    def _exceeded(self, what: str, until: int, now: int, *, banned: bool = False) -> Exceeded:
        limit = {"weight": self.weight, "orders": self.orders, "day": self.day}[what]
        return Exceeded(what, limit, max(1, -(-(until - now) // 1000)), until, banned)


def _end(now: int, width: int) -> int:
    return now - now % width + width
