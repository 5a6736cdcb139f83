"""The paper exchange survives kill -9, and its ledger always adds up."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import ccxt
import pytest

from tests.apps.exchanges.conftest import plain_ccxt
from tests.apps.exchanges.paper_process import PaperProcess


def test_orders_balances_and_prices_survive_kill_9(tmp_path: Path) -> None:
    before = PaperProcess(tmp_path / "ledger.db")
    keys = before.account({"USDT": "100000"})
    before.price("BTC/USDT", "31000")
    trader = plain_ccxt(before.url, keys)
    trader.create_order("BTC/USDT", "market", "buy", "1")
    trader.create_order("BTC/USDT", "limit", "buy", "1", "25000", {"clientOrderId": "resting"})
    held, rows = trader.fetch_balance(), before.rows("orders")
    before.kill()

    after = PaperProcess(tmp_path / "ledger.db")
    trader = plain_ccxt(after.url, keys)
    assert after.rows("orders") == rows
    assert trader.fetch_balance()["total"] == held["total"]
    assert trader.fetch_ticker("BTC/USDT")["last"] == "31000.00000000"
    assert trader.cancel_order(None, "BTC/USDT", {"clientOrderId": "resting"})["status"] == "canceled"
    assert after.stop() == 0


def test_ledger_adds_up_when_killed_under_load(tmp_path: Path) -> None:
    process = PaperProcess(tmp_path / "ledger.db")
    accounts = [process.account({"USDT": "1000000"}) for _ in range(3)]
    acknowledged: list[str] = []
    enough = threading.Event()

    def trade(keys: tuple[str, str]) -> None:
        client = plain_ccxt(process.url, keys)
        while True:
            try:
                acknowledged.append(client.create_order("ETH/USDT", "market", "buy", "0.01")["id"])
            except ccxt.NetworkError:
                return
            if len(acknowledged) >= 60:
                enough.set()

    threads = [threading.Thread(target=trade, args=(keys,)) for keys in accounts]
    for thread in threads:
        thread.start()
    assert enough.wait(60)
    process.kill()
    for thread in threads:
        thread.join(30)

    after = PaperProcess(tmp_path / "ledger.db")
    orders = {str(row["id"]): row for row in after.rows("orders")}
    assert set(acknowledged) <= set(orders)
    assert len(orders) - len(acknowledged) <= len(accounts)
    assert_adds_up(after)
    after.stop()


def assert_adds_up(process: PaperProcess) -> None:
    """Every balance equals its deposits plus its fills, and every order's fill equals its trades."""
    ledger = process.operator("GET", "ledger").json()
    balance: dict[tuple[int, str], Decimal] = defaultdict(Decimal)
    filled: dict[int, Decimal] = defaultdict(Decimal)
    for row in ledger["deposits"]:
        balance[row["account"], row["asset"]] += Decimal(row["amount"])
    for row in ledger["fills"]:
        sign = 1 if row["side"] == "buy" else -1
        filled[row["order_id"]] += Decimal(row["qty"])
        balance[row["account"], row["symbol"].removesuffix("USDT")] += sign * Decimal(row["qty"])
        balance[row["account"], "USDT"] -= sign * Decimal(row["qty"]) * Decimal(row["price"])
        balance[row["account"], row["fee_asset"]] -= Decimal(row["fee"])
    told = {(row["account"], row["asset"]): Decimal(row["free"]) + Decimal(row["locked"]) for row in ledger["balances"]}
    assert told == dict(balance)
    assert {row["id"]: Decimal(row["filled"]) for row in ledger["orders"] if Decimal(row["filled"])} == dict(filled)


def test_a_stop_that_was_due_when_it_died_fires_at_the_next_start(tmp_path: Path) -> None:
    """The price is committed before the orders that it wakes; a death in between must not leave them asleep."""
    from apps.exchanges.paper.ledger import Ledger

    process = PaperProcess(tmp_path / "ledger.db")
    keys = process.account({"BTC": "1"})
    order = plain_ccxt(process.url, keys).create_order(
        "BTC/USDT", "market", "sell", "1", None, {"stopLossPrice": "29000"}
    )
    process.kill()
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.save_price("BTCUSDT", Decimal(28000), 1)
    ledger.close()
    after = PaperProcess(tmp_path / "ledger.db")
    assert plain_ccxt(after.url, keys).fetch_order(order["id"], "BTC/USDT")["status"] == "closed"
    after.stop()


def test_the_side_door_needs_its_token(tmp_path: Path, paper: PaperProcess) -> None:
    assert paper.operator("GET", "ledger", token="guessed").status_code == 401
    assert paper.operator("GET", "nothing").status_code == 404
    assert paper.operator("POST", "accounts", {"secret": "x" * 16}).json()["field"] == "api_key"
    assert paper.operator("POST", "accounts", [1]).json()["field"] == "body"
    closed = PaperProcess(tmp_path / "closed.db", token="")
    assert closed.operator("GET", "ledger", token="").status_code == 404
    closed.stop()
    with pytest.raises(AssertionError, match="at least 16"):
        PaperProcess(tmp_path / "short.db", token="short")


def test_secrets_are_in_no_answer(paper: PaperProcess) -> None:
    _, secret = paper.account({"USDT": "1"})
    assert secret not in paper.operator("GET", "ledger").text


def test_prices_follow_candle_files(tmp_path: Path) -> None:
    folder = tmp_path / "candles"
    folder.mkdir()
    lines = (
        "time,open,high,low,close,volume\n2023-06-01T00:00:00Z,100,120,90,110,5\n2023-06-01T00:01:00Z,110,130,80,85,5\n"
    )
    (folder / "BTC_USDT-1m.csv").write_text(lines)
    process = PaperProcess(tmp_path / "ledger.db", "--candles", str(folder), "--speed", "600")
    trader = plain_ccxt(process.url, process.account({"BTC": "1"}))
    deadline = time.monotonic() + 30
    while (candles := trader.fetch_ohlcv("BTC/USDT", "1h"))[-1][4] != "85.00000000":
        assert time.monotonic() < deadline
    assert candles[-1][2:5] == ["30000.00000000", "80.00000000", "85.00000000"]
    assert process.stop() == 0


def test_bad_candle_files_stop_it_with_the_reason(tmp_path: Path) -> None:
    folder = tmp_path / "candles"
    folder.mkdir()
    (folder / "BTCUSDT.csv").write_text("when,price\n1,2\n")
    with pytest.raises(AssertionError, match="must name the columns"):
        PaperProcess(tmp_path / "ledger.db", "--candles", str(folder))
