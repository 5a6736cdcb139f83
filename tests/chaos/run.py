"""One seed: its people, its posts, its faults, the wait until all is quiet, and the judge's verdict."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from django.db import connections

from apps.exchanges.paper.listing import default_listings
from apps.exchanges.paper.trade import Listing
from tests.chaos import people as cast
from tests.chaos import story
from tests.chaos.house import House
from tests.chaos.people import LIMIT, Person
from tests.chaos.plan import WIDEST_STOP, Fault, Move, Plan
from tests.chaos.progress import Progress
from tests.chaos.redelivered import Deliveries
from tests.chaos.strike import Striker
from tests.chaos.watch import Watch
from tradebot.embedded.layout import CHECKOUT

WINDOW = 40
"""Posts under way at once: enough for every queue to hold something when a fault strikes."""

GUARDS = {
    "stop": ["stop"],
    "pair": ["stop", "profit"],
    "trailing": ["stop"],
    "trailing_pair": ["stop", "profit"],
    "profit": ["profit"],
}
"""Which sides of the price must stand guarded at the exchange, for each kind of protection."""

BATCH = 8
LEDGER = "paper.sqlite3"
JUDGE_EVERY = 3.0
"""Seconds: judging costs the processor more than what it waits for."""
STUCK_SECONDS = 150.0
"""Longer than the product needs to prove an order absent and to try it again."""


@dataclass
class Struck:
    """A fault that struck: what was under way then, and how long until all of it was at its end."""

    fault: Fault
    outcome: str
    at: float
    waiting: set[str]
    in_flight: int
    recovered: float | None = None


@dataclass
class Outcome:
    """What came of a seed."""

    plan: Plan
    struck: list[Struck]
    in_flight: int
    verdict: dict[str, Any]
    deliveries: Deliveries
    seconds: float
    quiet: bool
    moved: int = 0


@dataclass
class Run:
    """One seed on a house that is up."""

    house: House
    watch: Watch
    plan: Plan
    progress: Progress
    patience: float = STUCK_SECONDS
    _unsent: list[Any] = field(default_factory=list)
    _sent: dict[str, int] = field(default_factory=dict)
    _struck: list[Struck] = field(default_factory=list)
    _hit: set[str] = field(default_factory=set)
    _poison: list[str] = field(default_factory=list)
    _ended: set[str] = field(default_factory=set)
    _moved: int = 0

    def play(self) -> Outcome:
        """Play the plan to its end and have it judged."""
        began = time.monotonic()
        before = self.house.links.deliveries()
        # What the seed before did to the database it did to the driver's own connection too.
        connections.close_all()
        self._people = cast.people(self.plan)
        self._send_poison()
        quiet = self._drive()
        verdict = self._judged()
        seconds = time.monotonic() - began
        deliveries = self.house.links.deliveries() - before
        return Outcome(self.plan, self._struck, len(self._hit), verdict, deliveries, seconds, quiet, self._moved)

    # --- driving -----------------------------------------------------------------------------------------------------

    def _drive(self) -> bool:
        """Send posts, strike when it is time; whether every post's command came to its end."""
        striker, faults, next_post = Striker(self.house), list(self.plan.faults), 0
        moves = list(self.plan.moves)
        moved, count = time.monotonic(), -1
        while True:
            self._look()
            if len(self._ended) != count:
                moved, count = time.monotonic(), len(self._ended)
            if count >= len(self.plan.posts):
                return True
            if time.monotonic() - moved > self.patience:
                return False
            while moves and moves[0].after <= count:
                self._move(striker, moves.pop(0))
            if len(self._sent) - count < WINDOW and next_post < len(self.plan.posts):
                next_post = self._publish(next_post)
            elif not faults or faults[0].after > count:
                self.watch.nap()
            if faults and faults[0].after <= count and len(self._sent) > count:
                self._strike(striker, faults.pop(0))
                moved = time.monotonic()

    def _look(self) -> None:
        found = self.watch.ended()
        if found is None:
            return
        self._ended |= found & self._sent.keys()
        for struck in self._struck:
            if struck.recovered is None and struck.waiting <= self._ended:
                struck.recovered = time.monotonic() - struck.at
        self.progress.show(self.plan.seed, len(self._ended), len(self.plan.posts), self._struck)

    def _publish(self, first: int) -> int:
        """The next posts, which the broker has when this returns; none if it can't be reached. Returns what is next."""
        from tradebot.contracts.errors import TransientError
        from workers import ingest

        posts = self.plan.posts[first : first + BATCH]
        if not self._unsent:
            self._unsent = [
                cast.message(post, self._people[post.user], first + number) for number, post in enumerate(posts)
            ]
        try:
            ingest.publish(self._unsent)
        except TransientError:
            return first
        self._sent |= {message.root_id: post.user for message, post in zip(self._unsent, posts, strict=True)}
        self._unsent = []
        return first + len(posts)

    def _send_poison(self) -> None:
        from workers import publisher

        for _ in range(self.plan.poison):
            item = cast.poison()
            self._poison.append(item["root_id"])
            publisher.send([publisher.Parcel("crawler_data", "twitter.text", "tradebot.clean", [item])])

    def _move(self, striker: Striker, move: Move) -> None:
        price = self._listing(move.pair).price * move.percent / 100
        self._moved += striker.move(move, f"{price.normalize():f}")

    def _strike(self, striker: Striker, fault: Fault) -> None:
        waiting = self._sent.keys() - self._ended
        struck = Struck(fault, "", time.monotonic(), set(waiting), len(waiting))
        self._struck.append(struck)
        struck.outcome = striker.strike(fault)
        if not struck.outcome.startswith("skipped"):
            self._hit |= waiting

    # --- judging -----------------------------------------------------------------------------------------------------

    def _judged(self) -> dict[str, Any]:
        """The judge's word once nothing is left to be said, or once patience is over."""
        verdict: dict[str, Any] = {}
        next_look = 0.0

        def clean() -> bool:
            nonlocal verdict, next_look
            if time.monotonic() < next_look or self.watch.pending() != 0 or not self.house.is_up():
                return False
            verdict = self._ask_judge()
            next_look = time.monotonic() + JUDGE_EVERY
            return not verdict["findings"]

        self.watch.until(clean, self.patience)
        return verdict or self._ask_judge()

    def _ask_judge(self) -> dict[str, Any]:
        path = self.house.layout.var / "expected.json"
        path.write_text(json.dumps(self._expected()))
        command = [sys.executable, "-m", "tests.chaos.judge", str(path)]
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"the judge could not judge:\n{done.stderr}")
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def _expected(self) -> dict[str, Any]:
        return {
            "database": self.house.direct.database,
            "ledger": str(self.house.layout.var / LEDGER),
            "poison": self._poison,
            "accounts": [self._account(number, person) for number, person in enumerate(self._people)],
        }

    def _account(self, number: int, person: Person) -> dict[str, Any]:
        listing = self._listing(person.pair)
        return {
            "credential": person.credential_id,
            "api_key": person.api_key,
            "base": listing.base,
            "symbol": listing.symbol,
            "price": str(listing.price * self.plan.lowest() * (100 - WIDEST_STOP) / 100),
            "step": str(listing.step),
            "least": str(listing.min_notional),
            "limit": str(LIMIT),
            "jump": str(self.plan.widest()),
            "guards": GUARDS[person.protection],
            "roots": [root for root, user in self._sent.items() if user == number],
        }

    def _listing(self, pair: str) -> Listing:
        return default_listings()[pair.replace("/", "")]

    def story(self, finding: dict[str, Any]) -> list[str]:
        """What happened to whom a finding is about."""
        layout, direct = self.house.layout, self.house.direct
        told = story.log_lines(layout.logs, finding["about"])
        person = next((each for each in self._people if each.credential_id == finding["credential"]), None)
        if person is not None:
            told += story.rows(direct.database, layout.var / LEDGER, person.credential_id, person.api_key)
        return told
