"""What one seed does: who posts what in which order, and which fault strikes when. The seed alone decides."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal
from random import Random
from typing import Any

PAIRS = ("BTC/USDT", "ETH/USDT", "SOL/USDT", "DOGE/USDT")
BURST = 4
LINKS = ("broker", "database", "cache", "exchange")
GROUPS = ("execute", "execute", "execute", "pipeline", "models")

SLOW_TO_HEAL = frozenset({"rabbitmq_killed"})
"""At most one of these a seed: the node takes longer to boot than all else together."""

KINDS = (
    "child_killed", "child_killed_at_the_wire", "worker_killed", "streams_killed", "rabbitmq_killed", "valkey_killed",
    "postgres_stopped", "postgres_stopped_at_the_wire", "exchange_killed", "link_cut", "link_slow", "link_half_open",
    "answers_lost", "exchange_fault", "fills_late",
)  # fmt: skip

EXCHANGE_FAULTS = (
    "drop_before", "drop_after", "error_before", "error_after", "timeout_before", "timeout_after", "delay",
    "rate_limit", "ban", "fill_later", "stream_drop", "stream_lose", "stream_repeat", "stream_swap",
)  # fmt: skip
"""Names of the paper exchange's own faults: accepted or not, and what the client is told of it."""


PROTECTIONS = {
    "stop": {"stop_loss": 10},
    "pair": {"stop_loss": 10, "take_profit": 8},
    "trailing": {"trailing_stop": 7},
    "trailing_pair": {"trailing_stop": 7, "take_profit": 8},
    "profit": {"take_profit": 8},
}
"""What a user's strategy puts round its positions, in percent: near enough for the moves of a plan to trigger it."""

WIDEST_STOP = Decimal(10)
MOVE = (86, 114)
"""Percent of a pair's first price that a move may set: some moves pass the stops and the profits, some do not."""


@dataclass(frozen=True, slots=True)
class Post:
    """One post of one user's author. `bullish` buys, else half of what is held is sold and the rest guarded."""

    user: int
    bullish: bool


@dataclass(frozen=True, slots=True)
class Fault:
    """`kind` strikes `target` once `after` posts have led to a command that is at its end; it lasts `seconds`."""

    after: int
    kind: str
    target: str
    seconds: float
    count: int

    def told(self) -> str:
        return f"after {self.after:3}: {self.kind} {self.target} ({self.seconds:.1f} s, {self.count}x)"


@dataclass(frozen=True, slots=True)
class Move:
    """The price of `pair` is set to `percent` of its first one after so many ended commands."""

    after: int
    pair: str
    percent: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything random about a seed."""

    seed: int
    pairs: tuple[str, ...]
    posts: tuple[Post, ...]
    poison: int
    faults: tuple[Fault, ...]
    protections: tuple[str, ...]
    moves: tuple[Move, ...]

    def lowest(self) -> Decimal:
        """The lowest share of its first price that any pair is given."""
        return Decimal(min((move.percent for move in self.moves), default=100)) / 100

    def widest(self) -> Decimal:
        """The highest price of a pair by its lowest, at most."""
        return Decimal(max((move.percent for move in self.moves), default=100)) / 100 / self.lowest()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def plan(seed: int, *, signals: int, users: int, faults: int, only: tuple[str, ...] = KINDS, moves: int = 0) -> Plan:
    """The plan of `seed`: the same arguments give the same plan. `only`: the kinds of fault to draw from."""
    random = Random(seed)
    pairs = tuple(random.choice(PAIRS) for _ in range(users))
    return Plan(
        seed=seed,
        pairs=pairs,
        posts=_posts(random, signals, users),
        poison=random.randint(1, 3),
        faults=_faults(random, signals, faults, only),
        protections=tuple(random.choice(list(PROTECTIONS)) for _ in range(users)),
        moves=_moves(random, signals, moves),
    )


def _moves(random: Random, signals: int, count: int) -> tuple[Move, ...]:
    """Every pair starts where it was listed: the seed before may have left it elsewhere."""
    if not count:
        return ()
    moments = sorted(random.choices(range(1, signals * 9 // 10), k=count))
    moved = [Move(after, random.choice(PAIRS), random.randint(*MOVE)) for after in moments]
    return (*(Move(0, pair, 100) for pair in PAIRS), *moved)


def _posts(random: Random, signals: int, users: int) -> tuple[Post, ...]:
    """Everybody at least once and first with a purchase; then bursts, so that orders of one account overlap."""
    posts = [Post(user, bullish=True) for user in random.sample(range(users), users)]
    while len(posts) < signals:
        user = random.randrange(users)
        posts += [Post(user, bullish=random.random() < 0.65) for _ in range(random.randint(1, BURST))]
    return tuple(posts[:signals])


def _faults(random: Random, signals: int, count: int, only: tuple[str, ...]) -> tuple[Fault, ...]:
    moments = sorted(random.sample(range(signals * 9 // 10), count))
    found: list[Fault] = []
    for after in moments:
        kinds = [kind for kind in only if kind not in SLOW_TO_HEAL or all(fault.kind != kind for fault in found)]
        kind = random.choice(kinds)
        seconds = round(random.uniform(0.5, 4.0), 1)
        found.append(Fault(after, kind, _target(random, kind), seconds, random.randint(1, 4)))
    return tuple(found)


def _target(random: Random, kind: str) -> str:
    if kind.startswith("link_"):
        return random.choice(LINKS)
    if kind in {"child_killed", "worker_killed"}:
        return random.choice(GROUPS)
    if kind == "exchange_fault":
        return random.choice(EXCHANGE_FAULTS)
    return kind.partition("_")[0]
