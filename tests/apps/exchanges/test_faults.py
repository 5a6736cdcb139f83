"""What the paper exchange does wrong on demand, as an unmodified ccxt.binance meets it."""

from __future__ import annotations

import time
from typing import Any

import ccxt
import pytest
import requests

from tests.apps.exchanges.conftest import plain_ccxt
from tests.apps.exchanges.paper_process import PaperProcess

A = "a" * 32
BUY = ("BTC/USDT", "market", "buy", "0.1", None, {"clientOrderId": A})


class Faulty:
    """One account whose requests go wrong; nobody else's do."""

    def __init__(self, paper: PaperProcess) -> None:
        keys = paper.account({"USDT": "100000", "BTC": "1"})
        self.paper = paper
        self.key = keys[0]
        self.client = plain_ccxt(paper.url, keys)
        self.client.load_markets()

    def fault(self, kind: str, **rule: Any) -> int:
        return self.paper.fault(kind, account=self.key, **rule)

    def placed(self) -> int:
        account = next(row["id"] for row in self.paper.rows("accounts") if row["api_key"] == self.key)
        return len([row for row in self.paper.rows("orders") if row["account"] == account])


@pytest.fixture
def faulty(paper: PaperProcess) -> Faulty:
    return Faulty(paper)


@pytest.mark.parametrize(
    ("kind", "rule", "error", "orders"),
    [
        ("drop_before", {}, ccxt.NetworkError, 0),
        ("drop_after", {}, ccxt.NetworkError, 1),
        ("error_before", {"status": 502}, ccxt.ExchangeNotAvailable, 0),
        ("error_after", {"status": 503}, ccxt.ExchangeNotAvailable, 1),
        ("timeout_before", {}, ccxt.OperationFailed, 0),
        ("timeout_after", {}, ccxt.OperationFailed, 1),
        ("rate_limit", {"retry_after": 7}, ccxt.DDoSProtection, 0),
        ("ban", {"retry_after": 120}, ccxt.DDoSProtection, 0),
    ],
)
def test_an_order_that_went_wrong_stands_or_not(
    faulty: Faulty, kind: str, rule: dict[str, Any], error: type[Exception], orders: int
) -> None:
    faulty.fault(kind, method="POST", path="/api/v3/order", **rule)
    with pytest.raises(error):
        faulty.client.create_order(*BUY)
    assert faulty.placed() == orders
    assert faulty.client.create_order(*BUY)["status"] == "closed"


def test_the_answer_says_what_binance_says(faulty: Faulty) -> None:
    faulty.fault("timeout_after", path="/api/v3/order")
    with pytest.raises(ccxt.BaseError, match="-1007"):
        faulty.client.create_order(*BUY)
    faulty.fault("rate_limit", path="/api/v3/account", retry_after=7)
    with pytest.raises(ccxt.DDoSProtection):
        faulty.client.fetch_balance()
    assert faulty.client.last_response_headers["Retry-After"] == "7"


def test_a_late_answer_comes_after_the_client_gave_up(faulty: Faulty) -> None:
    faulty.fault("delay", path="/api/v3/order", answer_ms=1500)
    faulty.client.timeout = 300
    with pytest.raises(ccxt.RequestTimeout):
        faulty.client.create_order(*BUY)
    faulty.client.timeout = 5000
    assert faulty.client.fetch_order(None, "BTC/USDT", {"clientOrderId": A})["status"] == "closed"


def test_a_request_that_was_held_up_too_long_is_too_old(faulty: Faulty) -> None:
    faulty.fault("delay", path="/api/v3/order", wait_ms=300)
    with pytest.raises(ccxt.InvalidNonce, match="-1021"):
        faulty.client.create_order(*BUY[:5], {"recvWindow": 100})
    assert faulty.placed() == 0


def test_an_order_is_acknowledged_and_fills_when_the_operator_says(faulty: Faulty) -> None:
    faulty.fault("fill_later", method="POST", path="/api/v3/order")
    placed = faulty.client.create_order(*BUY)
    assert (placed["status"], placed["filled"]) == ("open", "0.00000000")
    assert faulty.client.fetch_balance()["USDT"]["used"] == "3000.30000000"
    faulty.paper.price("BTC/USDT", "30010")
    assert faulty.client.fetch_order(placed["id"], "BTC/USDT")["status"] == "open"
    assert faulty.paper.operator("POST", "fills", {"order": int(placed["id"])}).json() == {"acted": [int(placed["id"])]}
    assert faulty.client.fetch_order(placed["id"], "BTC/USDT")["status"] == "closed"


def test_an_order_fills_by_itself_after_a_while(faulty: Faulty) -> None:
    faulty.fault("fill_later", method="POST", path="/api/v3/order", fill_ms=50)
    placed = faulty.client.create_order(*BUY)
    assert placed["status"] == "open"
    deadline = time.monotonic() + 10
    while faulty.client.fetch_order(placed["id"], "BTC/USDT")["status"] != "closed":
        assert time.monotonic() < deadline


def test_rules_skip_count_and_are_told(faulty: Faulty) -> None:
    rule = faulty.fault("error_before", path="/api/v3/*", contains="symbol=ETHUSDT", skip=1, times=2)
    told = []
    for _ in range(4):
        try:
            told.append(faulty.client.fetch_open_orders("ETH/USDT") == [])
        except ccxt.ExchangeNotAvailable:
            told.append(False)
    assert told == [True, False, False, True]
    struck = [it for it in faulty.paper.operator("GET", "faults").json()["struck"] if it["rule"] == rule]
    assert [(it["kind"], it["path"], it["account"]) for it in struck] == [
        ("error_before", "/api/v3/openOrders", faulty.key)
    ] * 2
    assert all("signature" not in it["text"] for it in struck)


def test_rules_are_cleared_and_others_are_spared(faulty: Faulty) -> None:
    rule = faulty.fault("drop_before", times=0)
    stranger = plain_ccxt(faulty.paper.url, faulty.paper.account({"USDT": "10"}))
    assert stranger.fetch_balance()["USDT"]["free"] == "10.00000000"
    with pytest.raises(ccxt.NetworkError):
        faulty.client.fetch_balance()
    assert faulty.paper.operator("DELETE", "faults", {"id": rule}).json() == {"cleared": 1}
    assert faulty.client.fetch_balance()["USDT"]["free"] == "100000.00000000"


def test_any_answer_can_be_given(faulty: Faulty) -> None:
    body = [{"symbol": "BTCUSDT", "price": "0"}]
    faulty.paper.fault("answer", path="/api/v3/ticker/price", status=200, body=body)
    assert requests.get(f"{faulty.paper.url}/api/v3/ticker/price", timeout=5).json() == body


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({}, "kind"),
        ({"kind": "gremlin"}, "kind"),
        ({"kind": "delay", "answer_ms": -1}, "answer_ms"),
        ({"kind": "delay", "chance": "2"}, "chance"),
        ({"kind": "answer", "status": 99}, "status"),
        ({"kind": "delay", "wait": 5}, "wait"),
        ({"rules": 3}, "rules"),
    ],
)
def test_a_wrong_rule_is_refused_by_its_field(paper: PaperProcess, rule: dict[str, Any], field: str) -> None:
    answer = paper.operator("POST", "faults", rule)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_the_clock_is_set_stopped_and_goes_on(tmp_path: Any) -> None:
    process = PaperProcess(tmp_path / "ledger.db", "--clock", "2024-01-01T00:00:00Z")
    client = plain_ccxt(process.url, process.account({"USDT": "1000"}))
    assert client.fetch_time() - 1_704_067_200_000 < 60_000
    with pytest.raises(ccxt.InvalidNonce, match="-1021"):
        client.fetch_balance()
    assert process.operator("POST", "clock", {"now": "2024-02-01", "stopped": True}).json()["now"] == 1_706_745_600_000
    assert process.operator("POST", "clock", {"advance_ms": 5}).json() == {"now": 1_706_745_600_005, "stopped": True}
    assert process.operator("POST", "clock", {"now": "soon"}).json()["field"] == "now"
    client.load_time_difference()
    assert client.fetch_balance()["USDT"]["free"] == "1000.00000000"
    process.stop()


def test_a_clock_ten_seconds_off_is_told_so(faulty: Faulty) -> None:
    faulty.client.options["timeDifference"] = -10_000
    with pytest.raises(ccxt.InvalidNonce, match="1000ms ahead"):
        faulty.client.create_order(*BUY)


def test_too_many_requests_are_slowed_then_banned(tmp_path: Any) -> None:
    process = PaperProcess(tmp_path / "ledger.db", "--weight-limit", "40")
    client = plain_ccxt(process.url, process.account({"USDT": "1000"}))
    process.operator("POST", "limits", {"patience": 2, "ban_s": 30})
    process.operator("POST", "clock", {"stopped": True, "now": int(time.time()) // 60 * 60_000})
    client.load_time_difference()
    answers = []
    for _ in range(7):
        answers.append(requests.get(f"{process.url}/api/v3/exchangeInfo", timeout=5).status_code)
    assert answers == [200, 429, 429, 418, 418, 418, 418]
    banned = requests.get(f"{process.url}/api/v3/ping", timeout=5)
    assert (banned.json()["code"], banned.headers["Retry-After"]) == (-1003, "30")
    assert int(banned.headers["X-MBX-USED-WEIGHT-1M"]) > 40
    process.operator("POST", "clock", {"advance_ms": 60_000})
    assert requests.get(f"{process.url}/api/v3/ping", timeout=5).status_code == 200
    process.stop()


def test_too_many_orders_are_refused_by_account(tmp_path: Any) -> None:
    process = PaperProcess(tmp_path / "ledger.db", "--order-limit", "2")
    first, second = (plain_ccxt(process.url, process.account({"USDT": "1000"})) for _ in range(2))
    process.operator("POST", "clock", {"stopped": True})
    for _ in range(2):
        first.create_order("BTC/USDT", "market", "buy", "0.001")
    with pytest.raises(ccxt.DDoSProtection, match="-1015"):
        first.create_order("BTC/USDT", "market", "buy", "0.001")
    second.create_order("BTC/USDT", "market", "buy", "0.001")
    assert int(second.last_response_headers["X-MBX-ORDER-COUNT-10S"]) == 1
    process.stop()
