"""Carrying out the faults of a plan on a house that runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import httpx

from tests.chaos.house import House
from tests.chaos.plan import Fault, Move
from tests.chaos.proxy import Mode

ORDER = b"POST /api/v3/order"
WIRE_SECONDS = 8.0
"""How long an order on the wire is waited for, when a fault is to strike at that moment."""

_SLOW_ANSWER = 3.0
LATE = 10
LATE_SECONDS = 6.0
"""Longer than the next posts of the same user need to become orders."""


class Striker:
    """Strikes one fault at a time; `strike` returns what really happened, in a few words."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._ways: Mapping[str, Callable[[Fault], str]] = {
            "child_killed": lambda fault: _told(house.kill_children(f"worker-{fault.target}")),
            "child_killed_at_the_wire": self._child_at_the_wire,
            "worker_killed": lambda fault: _told(house.kill(f"worker-{fault.target}")),
            "streams_killed": lambda _: _told(house.kill("streams")),
            "rabbitmq_killed": lambda _: _told(house.kill("rabbitmq")),
            "valkey_killed": lambda _: _told(house.kill("valkey")),
            "exchange_killed": lambda _: _told(house.kill("paper_exchange")),
            "postgres_stopped": lambda _: _told(house.stop_immediately()),
            "postgres_stopped_at_the_wire": self._database_at_the_wire,
            "link_cut": self._link("cut"),
            "link_slow": self._link("slow"),
            "link_half_open": self._link("half_open"),
            "answers_lost": self._answers_lost,
            "exchange_fault": self._exchange_fault,
            "fills_late": self._exchange_fault,
        }

    def strike(self, fault: Fault) -> str:
        return self._ways[fault.kind](fault)

    def move(self, move: Move, price: str) -> bool:
        """Set a pair's price; whether the exchange was there to take it."""
        try:
            return self._asked("price", {"pair": move.pair, "price": price}).is_success
        except httpx.HTTPError:
            return False

    def _link(self, mode: str) -> Callable[[Fault], str]:
        def turn(fault: Fault) -> str:
            self._house.links.turn(fault.target, cast(Mode, mode), fault.seconds)
            return "done"

        return turn

    def _answers_lost(self, fault: Fault) -> str:
        self._house.links.rob("exchange", ORDER, fault.count)
        return "done"

    def _child_at_the_wire(self, _: Fault) -> str:
        return self._at_the_wire(lambda: _told(self._house.kill_children("worker-execute")))

    def _database_at_the_wire(self, _: Fault) -> str:
        return self._at_the_wire(lambda: _told(self._house.stop_immediately()))

    def _at_the_wire(self, act: Callable[[], str]) -> str:
        """Act while an order is at the exchange and its answer on the way back."""
        links = self._house.links
        links.turn("exchange", "slow", _SLOW_ANSWER)
        seen = links.seen("exchange", ORDER).wait(WIRE_SECONDS)
        return act() + ("" if seen else ", but no order was on the wire")

    def _exchange_fault(self, fault: Fault) -> str:
        """One of the exchange's own, through its operator's door; skipped where it has none of that name."""
        try:
            answer = self._asked("faults", _rule(fault))
        except httpx.HTTPError as error:
            return f"skipped: {type(error).__name__}"
        return "done" if answer.is_success else f"skipped: {answer.status_code} {answer.text[:80]}"

    def _asked(self, what: str, body: dict[str, Any]) -> httpx.Response:
        door = f"{self._house.direct.paper_exchange}/paper/{what}"
        return httpx.post(door, json=body, headers=self._operator(), timeout=5)

    def _operator(self) -> dict[str, Any]:
        return {"Authorization": f"Bearer {self._house.secrets['PAPER_EXCHANGE_TOKEN']}"}


def _told(done: bool) -> str:
    return "done" if done else "skipped: it was not running"


def _rule(fault: Fault) -> dict[str, Any]:
    """The fault in the words of the exchange's operator's door: orders' requests, or the stream's reports of them."""
    milliseconds = int(fault.seconds * 1000)
    if fault.kind == "fills_late":
        return _late(fault)
    rule: dict[str, Any] = {"kind": fault.target, "times": fault.count}
    if fault.target.startswith("stream_"):
        return rule | {"path": "executionReport"}
    rule |= {"path": "/api/v3/order*", "method": "POST"}
    if fault.target == "fill_later":
        return rule | {"fill_ms": milliseconds}
    return rule | ({"answer_ms": milliseconds} if fault.target == "delay" else {})


def _late(fault: Fault) -> dict[str, Any]:
    """Many orders in a row are acknowledged and fill seconds later: all that time only reservations tell of them."""
    rule: dict[str, Any] = {"kind": "fill_later", "path": "/api/v3/order", "method": "POST"}
    return rule | {"times": LATE * fault.count, "fill_ms": int(LATE_SECONDS * 1000)}
