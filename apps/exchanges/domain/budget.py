"""How many requests a venue takes from one address, what each weighs, and whose go first when they are scarce."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tradebot.contracts.lanes import Lane

PARTS = 6
"""A window is counted in this many parts, and one part more is looked back: whatever stretch of `window_ms` one takes,
wherever the venue begins its own windows, no more than `limit` falls into it. The price is a seventh of the limit."""

SHARES: Mapping[Lane, int] = MappingProxyType(
    {Lane.PROTECT: 100, Lane.EXIT: 90, Lane.RECONCILE: 80, Lane.ENTRY: 65, Lane.MARKET: 50}
)
"""Up to what percentage of the limit, used by anybody, a lane may still send: the rest is kept for those before it."""

PATIENCE_MS: Mapping[Lane, int] = MappingProxyType(
    {Lane.PROTECT: 5_000, Lane.EXIT: 3_000, Lane.RECONCILE: 2_000, Lane.ENTRY: 500, Lane.MARKET: 0}
)
"""How long a request waits for room before it is given up. An order signs the moment of its row: more would make it
stale, and a worker that waits does nothing else."""

LOCAL_PERCENT = 10
"""What one process may use of the limit while nobody can tell what the others use."""

WEIGHT_1 = 1


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `limit` of weight in any `window_ms` milliseconds."""

    limit: int
    window_ms: int

    @property
    def part_ms(self) -> int:
        return max(self.window_ms // PARTS, 1)

    def room_of(self, lane: Lane) -> int:
        """What may be used in all, after a request of this lane."""
        return self.limit * SHARES[lane] // 100

    def local(self) -> Limit:
        return Limit(max(self.limit * LOCAL_PERCENT // 100, 1), self.window_ms)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may leave. If not: in how many milliseconds it is worth asking again."""

    granted: bool
    wait_ms: int = 0
    used: int = 0


@dataclass(slots=True)
class Counter:
    """What was used, by part of the window: the rule that the script in Valkey follows, for one process alone."""

    limit: Limit
    parts: dict[int, int] = field(default_factory=dict)

    def take(self, lane: Lane, weight: int, now_ms: int) -> Verdict:
        """Count a request if there is room for it."""
        part = now_ms // self.limit.part_ms
        self.parts = {index: used for index, used in self.parts.items() if part - index <= PARTS}
        used, room = sum(self.parts.values()), self.limit.room_of(lane)
        if used + weight <= room:
            self.parts[part] = self.parts.get(part, 0) + weight
            return Verdict(granted=True, used=used + weight)
        return Verdict(granted=False, wait_ms=self._wait(used + weight - room, now_ms), used=used)

    def correct(self, told: int, told_at_ms: int, now_ms: int) -> None:
        """The venue said at `told_at_ms` that so much was used since its window began: count at least that."""
        began = told_at_ms // self.limit.window_ms * self.limit.window_ms
        known = sum(used for index, used in self.parts.items() if index * self.limit.part_ms >= began)
        if began == now_ms // self.limit.window_ms * self.limit.window_ms and told > known:
            part = now_ms // self.limit.part_ms
            self.parts[part] = self.parts.get(part, 0) + told - known

    def _wait(self, excess: int, now_ms: int) -> int:
        """Until so much of what was used is a whole window old."""
        for index in sorted(self.parts):
            excess -= self.parts[index]
            if excess <= 0:
                return (index + PARTS + 1) * self.limit.part_ms - now_ms
        return self.limit.window_ms


LIMITS: Mapping[str, Limit] = MappingProxyType(
    {
        # REQUEST_WEIGHT of exchangeInfo, per address.
        "binance": Limit(6_000, 60_000),
        # 60 in 2 s for most private requests (by user), 20 in 2 s for public ones (by address): these weigh three.
        "okx": Limit(60, 2_000),
        # 600 in 5 s, per address.
        "bybit": Limit(600, 5_000),
        # One public request a second; private ones are counted by account and weigh a quarter.
        "kraken": Limit(60, 15_000),
        # 10 public requests a second per address, 30 private ones per user.
        "coinbase": Limit(30, 1_000),
    }
)
"""What a venue of that dialect takes from one address, by its documentation."""

PAPER_LIMIT = Limit(600_000, 60_000)
"""The paper exchange has room for whole test runs; set `request_limit` of the venue to practise with less."""

_PRIVATE = re.compile(r"/private/|/account|/trade/|/order|/position|/v3/brokerage/(?!market)", re.IGNORECASE)
_PUBLIC_WEIGHT = {"okx": 3, "kraken": 4, "coinbase": 3}

_BINANCE: Mapping[tuple[str, str], tuple[int, int]] = MappingProxyType(
    {
        ("GET", "order"): (4, 4),
        ("GET", "openOrders"): (6, 80),
        ("GET", "allOrders"): (20, 20),
        ("GET", "myTrades"): (20, 20),
        ("GET", "account"): (20, 20),
        ("GET", "account/commission"): (20, 20),
        ("GET", "exchangeInfo"): (20, 20),
        ("GET", "depth"): (5, 5),
        ("GET", "ticker/24hr"): (2, 80),
        ("GET", "ticker"): (2, 80),
        ("GET", "ticker/price"): (2, 4),
        ("GET", "ticker/bookTicker"): (2, 4),
        ("GET", "klines"): (2, 2),
        ("GET", "trades"): (10, 10),
        ("GET", "openOrderList"): (6, 6),
        ("GET", "orderList"): (4, 4),
        ("GET", "allOrderList"): (20, 20),
        ("GET", "rateLimit/order"): (40, 40),
    }
)
"""With and without a symbol. Source: Binance REST API, weight of each endpoint. What changes an order weighs one."""


def limit_of(dialect: str, *, paper: bool, request_limit: int | None) -> Limit:
    """An operator's own number replaces the venue's, the window stays. An unknown dialect gets the smallest pace."""
    known = PAPER_LIMIT if paper else LIMITS.get(dialect, LIMITS["kraken"])
    return Limit(request_limit, known.window_ms) if request_limit else known


def weight(dialect: str, method: str, url: str) -> int:
    """What one request weighs. Too much is safe: where the venue tells what was used, its number corrects ours."""
    path, _, query = url.partition("?")
    if dialect == "binance":
        with_symbol, without = _BINANCE.get((method, path.partition("/v3/")[2]), (WEIGHT_1, WEIGHT_1))
        return with_symbol if "symbol=" in query else without
    return WEIGHT_1 if _PRIVATE.search(path) else _PUBLIC_WEIGHT.get(dialect, WEIGHT_1)


USED_HEADER: Mapping[str, str] = MappingProxyType({"binance": "X-MBX-USED-WEIGHT-1M"})
"""Where a venue tells what this address used since its own window began (on the minute)."""

ACCOUNT_CODES: Mapping[str, frozenset[str]] = MappingProxyType({"binance": frozenset({"-1015"})})
"""Codes of a 429 that speaks of one account's orders: no reason to stop everybody."""

LIMIT_CODES: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        # Both count in windows of 2 s.
        "okx": MappingProxyType({"50011": 2_000, "50061": 2_000}),
        # 10006 counts in windows of 5 s; 10018 speaks of the address.
        "bybit": MappingProxyType({"10006": 5_000, "10018": 120_000}),
        # A key's counter falls by one in 1 to 3 s; the other speaks of the address.
        "kraken": MappingProxyType({"EAPI:Rate limit exceeded": 5_000, "EGeneral:Too many requests": 5_000}),
    }
)
"""Codes that mean a limit though the HTTP status is 200, and for how long (ms) nobody sends then."""

LONGEST_BAN_MS = 3 * 24 * 3_600_000
_BAN_MS: Mapping[int, int] = MappingProxyType({418: 120_000, 429: 5_000})


def ban_ms(status: int | None, retry_after: str | None, told_code: str, dialect: str) -> int:
    """For how long nobody at this address may send after that answer; 0: go on."""
    usual = _BAN_MS.get(status or 0) or LIMIT_CODES.get(dialect, {}).get(told_code, 0)
    if not usual or told_code in ACCOUNT_CODES.get(dialect, frozenset()):
        return 0
    asked = (retry_after or "").strip()
    if asked.isdecimal():
        return min(max(int(asked), 1) * 1_000, LONGEST_BAN_MS)
    return usual
