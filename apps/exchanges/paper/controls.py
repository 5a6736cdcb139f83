"""The operator's controls: faults, delayed fills, the clock and the limits. Reads their fields, tells their state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from apps.exchanges.paper import fields
from apps.exchanges.paper.clock import Clock
from apps.exchanges.paper.engine import Exchange
from apps.exchanges.paper.faults import Faults, Kind, Rule
from apps.exchanges.paper.fields import BadField
from apps.exchanges.paper.limits import Limits

_TEXTS = ("method", "path", "account", "contains")
_NUMBERS = {"skip": 0, "times": 0, "seed": 0, "wait_ms": 0, "answer_ms": 0, "fill_ms": -1, "retry_after": 0}
_LIMITS = ("weight", "orders", "day", "patience", "ban_s")
_STATUSES = range(200, 600)


class Controls:
    """One method a path under /paper/; each takes the request's fields and returns JSON."""

    def __init__(self, exchange: Exchange, faults: Faults, limits: Limits, drop: Callable[[str], int]) -> None:
        self._exchange = exchange
        self._faults = faults
        self._limits = limits
        self._drop = drop

    def add_faults(self, given: Mapping[str, Any]) -> Any:
        """One rule, or `{"rules": [...]}` for several at once: all or none are taken."""
        rules = given.get("rules", [given])
        if not isinstance(rules, list) or not all(isinstance(one, dict) for one in rules):
            raise BadField("rules", "must be a list of objects, each with a kind")
        return {"rules": [self._faults.add(rule).told() for rule in [_rule(one) for one in rules]]}

    def faults(self, _: Mapping[str, Any]) -> Any:
        return {
            "rules": [rule.told() for rule in self._faults.rules()],
            "struck": [asdict(one) for one in self._faults.struck()],
        }

    def clear_faults(self, given: Mapping[str, Any]) -> Any:
        return {"cleared": self._faults.clear(fields.integer(given, "id", least=1) if "id" in given else None)}

    def release(self, given: Mapping[str, Any]) -> Any:
        ids = [fields.integer(given, "order", least=1)] if "order" in given else None
        return {"acted": [order.id for order in self._exchange.release(ids)]}

    def drop_streams(self, given: Mapping[str, Any]) -> Any:
        return {"dropped": self._drop(fields.key(given, "account") if "account" in given else "")}

    def clock(self, _: Mapping[str, Any]) -> Any:
        clock = self._exchange.now
        return {"now": clock(), "stopped": isinstance(clock, Clock) and clock.stopped}

    def set_clock(self, given: Mapping[str, Any]) -> Any:
        clock = self._exchange.now
        if not isinstance(clock, Clock):
            raise BadField("clock", "this exchange's clock can't be set")
        _stop_or_start(clock, given)
        if "now" in given:
            clock.set(fields.moment(given, "now"))
        if "advance_ms" in given:
            clock.advance(fields.integer(given, "advance_ms", least=-(10**12)))
        return self.clock(given)

    def limits(self, _: Mapping[str, Any]) -> Any:
        return {name: getattr(self._limits, name) for name in _LIMITS}

    def set_limits(self, given: Mapping[str, Any]) -> Any:
        """Any of weight, orders, day, patience, ban_s; `forgive: true` forgets bans and all that was used."""
        values = {name: fields.integer(given, name) for name in _LIMITS if name in given}
        for name, value in values.items():
            setattr(self._limits, name, value)
        if given.get("forgive") is True:
            self._limits.forgive()
        return self.limits(given)


def _stop_or_start(clock: Clock, given: Mapping[str, Any]) -> None:
    stopped = given.get("stopped")
    if stopped is True:
        clock.stop()
    elif stopped is False:
        clock.start()


def _rule(given: Mapping[str, Any]) -> Rule:
    names = {*_TEXTS, *_NUMBERS, "kind", "chance", "status", "body"}
    for name in given:
        if name not in names:
            raise BadField(str(name), f"is unknown; a rule has {', '.join(sorted(names))}")
    values: dict[str, Any] = {name: fields.text(given, name) for name in _TEXTS if name in given}
    values |= {name: fields.integer(given, name, least=least) for name, least in _NUMBERS.items() if name in given}
    if "chance" in given:
        values["chance"] = _chance(given)
    if "status" in given:
        values["status"] = _status(given)
    return Rule(_kind(given), **values, body=given.get("body"))


def _kind(given: Mapping[str, Any]) -> Kind:
    try:
        return Kind(fields.text(given, "kind"))
    except ValueError as error:
        if isinstance(error, BadField):
            raise
        raise BadField("kind", f"must be one of {', '.join(Kind)}") from None


def _chance(given: Mapping[str, Any]) -> float:
    chance = fields.amount(given["chance"], "chance")
    if chance > 1:
        raise BadField("chance", "must be above 0 and at most 1")
    return float(chance)


def _status(given: Mapping[str, Any]) -> int:
    status = fields.integer(given, "status")
    if status not in _STATUSES:
        raise BadField("status", "must be an HTTP status from 200 to 599")
    return status
