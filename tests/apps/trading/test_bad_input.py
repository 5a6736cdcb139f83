"""Bad input, case by case: what is wrong, what becomes of the command, in which words, what reached the exchange."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts import services as accounts
from apps.trading.models import Command
from apps.trading.services import decide
from tests.apps.exchanges.paper_process import PaperProcess
from tests.apps.trading.desk import Desk, open_desk
from workers import credentials, execute, publisher

SELL = {"action": "sell", "leg": "exit", "amount": "50"}
FIXED = {"amount_type": "fixed"}


@dataclass(frozen=True)
class Case:
    """`outcome`: the command's state and code. `words`: of its reason. `posts`: order requests that reached the
    exchange. `command`: the fields that are wrong in the message. `world`: what is wrong outside of it. `waits`: it may
    be well again, so the account is asked again, and nothing ordered, until the signal has expired."""

    wrong: str
    outcome: str
    words: str
    command: dict[str, Any] = field(default_factory=dict)
    world: Callable[[Desk], None] = lambda desk: None
    posts: int = 0
    waits: bool = False


def given(kind: str, value: str, **more: str) -> dict[str, Any]:
    """A command with this condition."""
    return {"conditions": [{"kind": kind, "value": value} for kind, value in {kind: value, **more}.items()]}


# --- the world ---


def delisted(desk: Desk) -> None:
    listing = desk.public("/api/v3/exchangeInfo")
    for symbol in listing["symbols"]:
        symbol["status"] = "BREAK" if symbol["symbol"] == "BTCUSDT" else symbol["status"]
    desk.answer("GET", "/api/v3/exchangeInfo", listing)


def delisted_since(desk: Desk) -> None:
    desk.answer("GET", "/api/v3/ticker/24hr", {"code": -1121, "msg": "Invalid symbol."}, 400)


def market_closed(desk: Desk) -> None:
    desk.answer("POST", "/api/v3/order", {"code": -1013, "msg": "Market is closed."}, 400)


def no_right_to_trade(desk: Desk) -> None:
    said = {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}
    desk.answer("POST", "/api/v3/order", said, 401)


def late_on_the_wire(desk: Desk) -> None:
    said = {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}
    desk.answer("POST", "/api/v3/order", said, 400)


def new_keys_unchecked(desk: Desk) -> None:
    desk.replace_keys()


def new_keys_wrong(desk: Desk) -> None:
    desk.replace_keys(secret="not-the-secret")
    assert credentials.check_pending() == 1


def secret_changed_at_the_exchange(desk: Desk) -> None:
    new_keys_wrong(desk)
    accounts.mark_credential(credential_id=desk.credential.pk, active=True)


def unknown_key(desk: Desk) -> None:
    desk.replace_keys(api_key="a-key-that-nobody-gave-out")
    accounts.mark_credential(credential_id=desk.credential.pk, active=True)


def may_withdraw(desk: Desk) -> None:
    desk.keys = desk.paper.account({"USDT": "10000"}, withdraw=True)
    desk.replace_keys()
    assert credentials.check_pending() == 1


def book(**sides: list[list[str]]) -> Callable[[Desk], None]:
    both = {"bids": [["29990", "1"]], "asks": [["30010", "1"]]} | sides
    return lambda desk: desk.book(**both)


def ticker(**changes: str) -> Callable[[Desk], None]:
    def world(desk: Desk) -> None:
        told = desk.public("/api/v3/ticker/24hr?symbol=BTCUSDT") | changes
        desk.answer("GET", "/api/v3/ticker/24hr", told)

    return world


def behind(desk: Desk) -> None:
    desk.clock_off(10.5)


def ahead(desk: Desk) -> None:
    desk.clock_off(-10)


def emptied(desk: Desk) -> None:
    ticker()(desk)
    desk.book(bids=[["29990", "1"]], asks=[])


def held_then_emptied(desk: Desk) -> None:
    desk.hold()
    desk.book(bids=[], asks=[])


def poorer_than_it_says(desk: Desk) -> None:
    account = {
        "makerCommission": 10, "takerCommission": 10, "canTrade": True, "updateTime": 0, "accountType": "SPOT",
        "balances": [{"asset": "USDT", "free": "50000", "locked": "0"}], "permissions": ["SPOT"],
    }  # fmt: skip
    desk.answer("GET", "/api/v3/account", account)


# --- the table ---

PAIRS = [
    Case("unknown pair", "DENIED unknown_pair", "NOPE/USDT is not traded at", {"pair": "NOPE/USDT"}),
    Case("no pair", "DENIED unknown_pair", "'BTCUSDT' is not BASE/QUOTE, for example BTC/USDT", {"pair": "BTCUSDT"}),
    Case("pair in small letters", "DENIED unknown_pair", "is not BASE/QUOTE", {"pair": "btc/usdt"}),
    Case("empty pair", "DENIED unknown_pair", "'' is not BASE/QUOTE", {"pair": ""}),
    Case("endless pair", "DENIED unknown_pair", "is not BASE/QUOTE", {"pair": "A" * 500}),
    Case("delisted pair", "DENIED unknown_pair", "BTC/USDT is not traded at", world=delisted),
    Case("delisted since the markets were read", "DENIED", "Invalid symbol", world=delisted_since),
    Case("closed at the last moment", "DONE rejected", "Market is closed", world=market_closed, posts=1),
]
AMOUNTS = [
    *(
        Case(f"{value} %", "DENIED bad_amount", f"the amount {shown} is no number above zero", {"amount": value})
        for value, shown in (
            ("NaN", "NaN"), ("sNaN", "sNaN"), ("Infinity", "Infinity"), ("-Infinity", "-Infinity"), ("-5", "-5"),
            ("0", "0"), ("-0", "-0"),
        )
    ),
    *(
        Case(f"{value} USDT", "DENIED bad_amount", "is no number above zero", {"amount": value, **FIXED})
        for value in ("NaN", "Infinity", "-100", "0")
    ),
    Case("101 %", "DENIED bad_amount", "101 % is more than all", {"amount": "101"}),
    Case("1E+30 %", "DENIED bad_amount", "1E+30 is more than any account holds", {"amount": "1E+30"}),
    Case("1E+999999 %", "DENIED bad_amount", "is more than any account holds", {"amount": "1E+999999"}),
    Case("1E-30 %", "DENIED below_min_amount", "under the least order of 0.00001", {"amount": "1E-30"}),
    Case("under the minimum", "DENIED below_min_amount", "under the least order", {"amount": "0.1", **FIXED}),
    Case("under min notional", "DENIED below_min_notional", "under the least value of 5", {"amount": "4", **FIXED}),
    Case("over the balance", "DENIED insufficient_balance", "20000 wanted", {"amount": "20000", **FIXED}),
    Case("far over the balance", "DENIED insufficient_balance", "0 is free", {"amount": "1E+19", **FIXED}),
    Case("endless over the balance", "DENIED bad_amount", "more than any account holds", {"amount": "1E+30", **FIXED}),
    Case(
        "over a balance that was told wrong", "DONE rejected", "insufficient balance", {"amount": "90"},
        poorer_than_it_says, posts=1,
    ),
]  # fmt: skip
SALES = [
    Case("a sale of nothing", "DENIED nothing_held", "holds no BTC in this account", SELL),
    Case("a sale of NaN %", "DENIED bad_amount", "no number above zero", SELL | {"amount": "NaN"}, Desk.hold),
    Case("a sale of -5 %", "DENIED bad_amount", "no number above zero", SELL | {"amount": "-5"}, Desk.hold),
    Case("a sale of 101 %", "DENIED bad_amount", "more than all", SELL | {"amount": "101"}, Desk.hold),
    Case(
        "a sale of 5 of 0.1 BTC", "DENIED insufficient_balance", "5 wanted", SELL | FIXED | {"amount": "5"}, Desk.hold
    ),
    Case("a sale as an entry", "DENIED wrong_action", "can't sell as entry", {"action": "sell"}),
]
LIMIT = {"order_type": "limit"}
NUMBERS = ("NaN", "sNaN", "Infinity", "-Infinity", "-5", "0", "", "ten")
CONDITIONS = [
    *(
        Case(f"{kind} {value!r}", "DENIED bad_condition", f"{kind} must be a percentage", given(kind, value))
        for kind in ("stop_loss", "trailing_stop", "take_profit")
        for value in (*NUMBERS, "1E+30")
    ),
    *(
        Case(f"{kind} 100", "DENIED bad_condition", f"{kind} must be a percentage", given(kind, "100"))
        for kind in ("stop_loss", "trailing_stop")
    ),
    *(
        Case(f"{kind} {value!r}", "DENIED bad_condition", f"{kind} must be a plain number", given(kind, value, **LIMIT))
        for kind in ("max_amount", "limit_price")
        for value in ("NaN", "sNaN", "Infinity", "-Infinity", "", "ten", "1E+30", "1E-30", "9" * 999)
    ),
    *(
        Case(f"{kind} {value!r}", f"DENIED {code}", f"the {kind} {value} is no number", given(kind, value, **LIMIT))
        for kind, code in (("max_amount", "bad_amount"), ("limit_price", "bad_price"))
        for value in ("-5", "0")
    ),
    Case("max_amount 0.1", "DENIED below_min_amount", "under the least order", given("max_amount", "0.1")),
    Case("a limit under the tick", "DENIED bad_price", "can't be used", given("limit_price", "0.001", **LIMIT)),
    Case(
        "a limit far from the market", "DONE rejected", "Filter failure", given("limit_price", "100", **LIMIT), posts=1
    ),
    *(
        Case(f"order_type {value!r}", "DENIED bad_condition", "must be market or limit", given("order_type", value))
        for value in ("iceberg", "", "stop_loss")
    ),
    *(
        Case(f"expires_at {value!r}", "DENIED bad_condition", "expires_at must be a time", given("expires_at", value))
        for value in ("NaN", "tomorrow", "", "2026-01-01T00:00:00")
    ),
    Case("over already", "DENIED stale", "the signal expired at", given("expires_at", "2020-01-01T00:00:00Z")),
]  # fmt: skip
KEYS = [
    Case("keys that nobody checked", "DENIED credential_not_active", "pending", world=new_keys_unchecked),
    Case(
        "a wrong secret",
        "DENIED credential_not_active",
        "Signature for this request is not valid",
        world=new_keys_wrong,
    ),
    Case("a key with withdraw rights", "DENIED credential_not_active", "the key may withdraw", world=may_withdraw),
    Case("a secret that was changed", "DENIED", "Signature for this request", world=secret_changed_at_the_exchange),
    Case("a key that was deleted", "DENIED", "API-key", world=unknown_key),
    Case("a key that may not trade", "DONE rejected", "permissions", world=no_right_to_trade, posts=1),
]
CLOCKS = [
    Case("our clock 10 s behind", "DENIED stale", "outside of the recvWindow", world=behind, waits=True),
    Case("our clock 10 s ahead", "DENIED stale", "ahead of the server's time", world=ahead, waits=True),
    Case("a clock off for the order alone", "DONE rejected", "recvWindow", world=late_on_the_wire, posts=1),
]
BOOKS = [
    Case("empty book", "DENIED empty_book", "no usable bid and ask", world=book(bids=[], asks=[])),
    Case("no bids", "DENIED empty_book", "no usable bid and ask", world=book(bids=[])),
    Case("no asks", "DENIED empty_book", "no usable bid and ask", world=book(asks=[])),
    Case(
        "crossed book", "DENIED crossed_book", "is crossed (30100 bid, 29900 ask)",
        world=book(bids=[["30100", "1"]], asks=[["29900", "1"]]),
    ),
    *(
        Case(f"prices {value}", "DENIED empty_book", "no usable bid", world=ticker(bidPrice=value, askPrice=value))
        for value in ("0", "NaN", "Infinity", "-1", "ten")
    ),
    Case("a book that emptied since the look", "DONE rejected", "Order book liquidity", world=emptied, posts=1),
    Case("all prices 0", "DENIED empty_book", "no usable", world=ticker(bidPrice="0", askPrice="0", lastPrice="0")),
    Case("a sale into an empty book", "DENIED empty_book", "no usable bid and ask", SELL, held_then_emptied),
]  # fmt: skip
CASES = [*PAIRS, *AMOUNTS, *SALES, *CONDITIONS, *KEYS, *CLOCKS, *BOOKS]


# --- the proof ---


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperProcess]:
    process = PaperProcess(tmp_path_factory.mktemp("paper") / "ledger.db")
    yield process
    process.stop()


@pytest.fixture
def desk(db: None, paper: PaperProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    made = open_desk(paper)
    monkeypatch.setattr(publisher, "send", made.send)
    monkeypatch.setattr(timezone, "now", made.clock)
    monkeypatch.setattr(decide, "PRICE_SECONDS", 0.0)
    execute.forget_lines()
    yield made
    execute.forget_lines()
    made.leave()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.wrong[:40])
def test_bad_input(desk: Desk, case: Case) -> None:
    case.world(desk)
    desk.watch()
    item = desk.wire(**case.command)
    desk.deliver(item)
    if case.waits:
        desk.expire(item)
    row = Command.objects.get(signal_id=item["signal_id"])
    assert f"{row.state} {row.code}".startswith(case.outcome), row.reason
    assert case.words in row.reason
    assert desk.posts() == case.posts
    _nothing_more_happens(desk, item, case)


def _nothing_more_happens(desk: Desk, item: dict[str, Any], case: Case) -> None:
    """Not when it is delivered again, and not by itself."""
    tried = len(desk.tried_again)
    desk.deliver(item, redelivered=True)
    desk.later()
    assert (len(desk.tried_again), desk.buried) == (tried, [])
    assert tried == (2 if case.waits else 0)
    assert (desk.posts(), desk.placed(), desk.reserved()) == (case.posts, [], Decimal(0))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user_id", "nobody"),
        ("credential_id", "nowhere"),
        ("strategy_id", "s" * 300),
        ("signal_id", "s" * 300),
        ("amount", "ten"),
        ("leg", "sideways"),
        ("action", "short"),
        ("expires_at", "tomorrow"),
        ("mode", "real"),
    ],
)
def test_what_is_no_command_at_all_goes_to_the_dead_letters_and_names_the_field(
    desk: Desk, field: str, value: str
) -> None:
    desk.watch()
    desk.deliver(desk.wire(**{field: value}))
    assert (len(desk.buried), desk.tried_again, desk.posts()) == (1, [], 0)
    assert field in desk.buried[0]


def test_an_account_whose_clock_is_right_again_trades(desk: Desk) -> None:
    desk.clock_off(10.5)
    item = desk.wire()
    desk.deliver(item)
    desk.clock_off(-10.5)
    row = desk.deliver(item)
    assert row is not None
    assert (row.state, row.code, row.reason) == ("DONE", "filled", "")
