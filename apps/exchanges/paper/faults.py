"""Faults on demand: which request or stream event is to go wrong, how, and which already did. Dialects know nothing."""

from __future__ import annotations

import itertools
import random
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from apps.exchanges.paper.wire import Answer, Call

REMEMBERED = 20_000
_KEY_HEADERS = ("X-MBX-APIKEY", "OK-ACCESS-KEY")


class Kind(StrEnum):
    """`*_BEFORE`: nothing was accepted. `*_AFTER`: the request took effect, its answer is replaced or lost."""

    DROP_BEFORE = "drop_before"
    DROP_AFTER = "drop_after"
    ERROR_BEFORE = "error_before"
    ERROR_AFTER = "error_after"
    TIMEOUT_BEFORE = "timeout_before"
    TIMEOUT_AFTER = "timeout_after"
    DELAY = "delay"
    RATE_LIMIT = "rate_limit"
    BAN = "ban"
    ANSWER = "answer"
    FILL_LATER = "fill_later"
    STREAM_DROP = "stream_drop"
    STREAM_LOSE = "stream_lose"
    STREAM_REPEAT = "stream_repeat"
    STREAM_SWAP = "stream_swap"

    @property
    def of_streams(self) -> bool:
        return self.startswith("stream_")

    @property
    def accepts(self) -> bool:
        """Whether the request still takes effect."""
        return self in _ACCEPTING


_ACCEPTING = {Kind.DROP_AFTER, Kind.ERROR_AFTER, Kind.TIMEOUT_AFTER, Kind.DELAY, Kind.FILL_LATER}


@dataclass(slots=True)
class Rule:
    """What goes wrong, and where.

    `method`, `path` (exact, or a prefix ending in *), `account` (API key) and `contains` (a text in query or body)
    narrow a rule down; empty matches all. For a stream kind `path` is the event's or stream's name.
    `skip` matches pass before it strikes, then it strikes `times` times (0: always), each with `chance`.
    `wait_ms` passes before the request is handled, `answer_ms` before its answer is sent.
    `fill_ms`: when an order that was only acknowledged fills (below 0: when the operator says so).
    """

    kind: Kind
    method: str = ""
    path: str = ""
    account: str = ""
    contains: str = ""
    skip: int = 0
    times: int = 1
    chance: float = 1.0
    seed: int = 0
    wait_ms: int = 0
    answer_ms: int = 0
    fill_ms: int = -1
    status: int = 503
    retry_after: int = 1
    body: Any = None
    id: int = 0
    hits: int = 0
    _random: random.Random = field(default_factory=random.Random, repr=False)

    def __post_init__(self) -> None:
        self._random.seed(self.seed)

    def strikes(self, method: str, path: str, account: str, text: str) -> bool:
        """Whether it strikes here and now. Counts what it lets pass and what it hits."""
        if not self._matches(method, path, account, text) or self.spent:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.chance < 1 and self._random.random() >= self.chance:
            return False
        self.hits += 1
        return True

    @property
    def spent(self) -> bool:
        return 0 < self.times <= self.hits

    def _matches(self, method: str, path: str, account: str, text: str) -> bool:
        return (
            (not self.method or self.method == method)
            and _path_fits(self.path, path)
            and (not self.account or self.account == account)
            and (not self.contains or self.contains in text)
        )

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return {name: value for name, value in asdict(self).items() if not name.startswith("_")}


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault that happened: when (ms), to whom, and to which request or event."""

    at: int
    rule: int
    kind: Kind
    account: str
    method: str
    path: str
    text: str


class Faults:
    """All rules, oldest first; the first that strikes is the one that counts. Forgotten when the process ends."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._ids = itertools.count(1)
        self._struck: deque[Struck] = deque(maxlen=REMEMBERED)

    def add(self, rule: Rule) -> Rule:
        rule.id = next(self._ids)
        self._rules.append(rule)
        return rule

    def clear(self, rule_id: int | None = None) -> int:
        """Forget one rule or all. Returns how many."""
        kept = [rule for rule in self._rules if rule_id is not None and rule.id != rule_id]
        gone = len(self._rules) - len(kept)
        self._rules = kept
        return gone

    def rules(self) -> list[Rule]:
        return list(self._rules)

    def struck(self) -> list[Struck]:
        """The last REMEMBERED faults that happened, oldest first."""
        return list(self._struck)

    def on_call(self, call: Call, now: int) -> Rule | None:
        """The rule that strikes this request."""
        if not self._rules:
            return None
        account = next((call.headers[name] for name in _KEY_HEADERS if name in call.headers), "")
        return self._first(False, (call.method, call.path, account, f"{call.query}&{call.body}"), now)

    def on_event(self, name: str, account: str, text: str, now: int) -> Rule | None:
        """The rule that strikes this event of a stream."""
        return self._first(True, ("", name, account, text), now) if self._rules else None

    def _first(self, of_streams: bool, where: tuple[str, str, str, str], now: int) -> Rule | None:
        for rule in self._rules:
            if rule.kind.of_streams is of_streams and rule.strikes(*where):
                self._note(rule, where, now)
                return rule
        return None

    def _note(self, rule: Rule, where: tuple[str, str, str, str], now: int) -> None:
        method, path, account, text = where
        self._struck.append(Struck(now, rule.id, rule.kind, account, method, path, _unsigned(text)))
        if rule.spent:
            self._rules.remove(rule)


def answer(rule: Rule, path: str) -> Answer:
    """What a faulted request is told instead, in the words of the dialect its path belongs to."""
    status, binance, okx, headers = _told(rule)
    if rule.kind is Kind.ANSWER:
        return Answer(rule.status, rule.body, headers)
    if path.startswith("/api/v5/"):
        return Answer(status, {"code": okx[0], "msg": okx[1], "data": []}, headers)
    said = {"code": binance[0], "msg": binance[1]} if binance else {"msg": "Service unavailable."}
    return Answer(status, rule.body or said, headers)


def _told(rule: Rule) -> tuple[int, tuple[int, str] | None, tuple[str, str], Mapping[str, str]]:
    wait = {"Retry-After": str(rule.retry_after)}
    if rule.kind is Kind.RATE_LIMIT:
        return 429, (-1003, "Too many requests; IP is limited."), ("50011", "Too Many Requests"), wait
    if rule.kind is Kind.BAN:
        return 418, (-1003, "Way too many requests; IP banned."), ("50011", "Too Many Requests"), wait
    if rule.kind in {Kind.TIMEOUT_BEFORE, Kind.TIMEOUT_AFTER}:
        said = "Timeout waiting for response from backend server. Send status unknown; execution status unknown."
        return 504, (-1007, said), ("50004", "API endpoint request timeout"), {}
    return rule.status, None, ("50001", "Service temporarily unavailable"), {}


def _path_fits(wanted: str, path: str) -> bool:
    return not wanted or wanted == path or (wanted.endswith("*") and path.startswith(wanted[:-1]))


def _unsigned(text: str) -> str:
    """Without the signature, which is nobody's business later."""
    return "&".join(part for part in text.split("&") if part and not part.startswith("signature="))
