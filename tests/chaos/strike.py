"""Carrying out the faults of a plan on a house that runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import httpx

from tests.chaos.house import House
from tests.chaos.plan import Fault
from tests.chaos.proxy import Mode

ORDER = b"POST /api/v3/order"
WIRE_SECONDS = 8.0
"""How long an order on the wire is waited for, when a fault is to strike at that moment."""

_SLOW_ANSWER = 3.0


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
        }

    def strike(self, fault: Fault) -> str:
        return self._ways[fault.kind](fault)

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
            answer = httpx.post(self._door(), json=_rule(fault), headers=self._operator(), timeout=5)
        except httpx.HTTPError as error:
            return f"skipped: {type(error).__name__}"
        return "done" if answer.is_success else f"skipped: {answer.status_code} {answer.text[:80]}"

    def _door(self) -> str:
        return f"{self._house.direct.paper_exchange}/paper/faults"

    def _operator(self) -> dict[str, Any]:
        return {"Authorization": f"Bearer {self._house.secrets['PAPER_EXCHANGE_TOKEN']}"}


def _told(done: bool) -> str:
    return "done" if done else "skipped: it was not running"


def _rule(fault: Fault) -> dict[str, Any]:
    """The fault in the words of the exchange's operator's door: orders' requests, or the stream's reports of them."""
    milliseconds = int(fault.seconds * 1000)
    rule: dict[str, Any] = {"kind": fault.target, "times": fault.count}
    if fault.target.startswith("stream_"):
        return rule | {"path": "executionReport"}
    rule |= {"path": "/api/v3/order*", "method": "POST"}
    if fault.target == "fill_later":
        return rule | {"fill_ms": milliseconds}
    return rule | ({"answer_ms": milliseconds} if fault.target == "delay" else {})
