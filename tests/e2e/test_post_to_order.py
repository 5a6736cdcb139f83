"""The whole way, on the whole stack: posts become orders, once."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

from tests.e2e.conftest import BEARISH, BULLISH, post, strategy
from tests.stack import RunningStack, Trader


def test_a_bullish_post_buys_and_the_order_says_everything(stack: RunningStack, trader: Trader, author: str) -> None:
    made = strategy(trader, author)

    done = stack.ingest([post(BULLISH, author)])

    assert (done["posts"], done["signals"], done["commands"], done["orders"], done["filled"]) == (1, 1, 1, 1, 1)
    [order] = trader.all("/api/v1/orders")
    assert {"id", "signal_id", "strategy_id", "pair", "side", "type", "amount", "price", "status", "filled", "fee"} <= (
        order.keys()
    )
    assert (order["pair"], order["side"], order["status"]) == ("DOGE/USDT", "buy", "FILLED")
    assert order["strategy_id"] == made["id"]
    assert order["exchange"] == "paper"
    [position] = trader.all("/api/v1/positions")
    assert 0 < Decimal(position["amount"]) <= Decimal(order["filled"])


def test_the_same_file_twice_makes_nothing_twice(
    stack: RunningStack, trader: Trader, author: str, tmp_path: Path
) -> None:
    strategy(trader, author)
    path = tmp_path / "posts.jsonl"
    posts = [post(BULLISH, author), post("Good morning everyone, coffee first", author)]
    path.write_text("".join(json.dumps(line) + "\n" for line in posts))

    first = stack.ingest_file(path)
    second = stack.ingest_file(path)

    assert (first["posts"], first["duplicates"], first["orders"]) == (2, 0, 1)
    assert (second["posts"], second["duplicates"], second["signals"], second["commands"], second["orders"]) == (
        *(0, 2, 0, 0, 0),
    )
    assert len(trader.all("/api/v1/orders")) == 1


def test_a_bearish_post_sells_half_and_protects_the_rest_with_a_stop(
    stack: RunningStack, trader: Trader, author: str
) -> None:
    strategy(trader, author)
    stack.ingest([post(BULLISH, author)])
    held = Decimal(trader.all("/api/v1/positions")[0]["amount"])

    stack.ingest([post(BEARISH, author)])

    orders = trader.all("/api/v1/orders")
    sold = next(order for order in orders if order["side"] == "sell" and order["type"] == "market")
    stop = next(order for order in orders if order["type"] == "stop_loss")
    assert sold["status"] == "FILLED"
    assert abs(Decimal(sold["filled"]) - held / 2) <= 1
    assert (stop["side"], stop["status"]) == ("sell", "OPEN")
    assert Decimal(stop["amount"]) <= held - Decimal(sold["filled"])


def test_a_bearish_post_with_nothing_held_is_denied_with_the_reason(
    stack: RunningStack, trader: Trader, author: str
) -> None:
    strategy(trader, author)

    done = stack.ingest([post(BEARISH, author)])

    assert (done["commands"], done["denied"], done["orders"]) == (1, 1, 0)


def test_the_receipt_tells_why(stack: RunningStack, trader: Trader, author: str) -> None:
    strategy(trader, author)
    sent = post(BULLISH, author)
    stack.ingest([sent])
    [order] = trader.all("/api/v1/orders")

    receipt = trader.api.get(f"/api/v1/orders/{order['id']}/receipt").json()

    told = json.dumps(receipt)
    assert order["signal_id"] in told
    assert order["strategy_id"] in told
    assert {"clean", "features", "analyze", "dispatch"} <= receipt["stages"].keys()
    assert receipt["decision"]


def test_a_stale_post_does_not_trade_and_says_so(stack: RunningStack, trader: Trader, author: str) -> None:
    made = strategy(trader, author)

    done = stack.ingest([post(BULLISH, author, timestamp="2023-07-01T14:30:00Z")])

    assert (done["signals"], done["commands"], done["orders"]) == (1, 0, 0)
    [match] = trader.all(f"/api/v1/strategies/{made['id']}/matches")
    assert (match["matched"], match["reason"]) == (False, "age")


def test_rebase_now_makes_an_old_file_tradable(stack: RunningStack, trader: Trader, author: str) -> None:
    strategy(trader, author)

    done = stack.ingest([post(BULLISH, author, timestamp="2023-07-01T14:30:00Z")], "--rebase-now")

    assert done["orders"] == 1


def test_a_picture_alone_can_trade_and_its_words_are_the_evidence(
    stack: RunningStack, trader: Trader, author: str, tmp_path: Path
) -> None:
    strategy(trader, author)
    _picture(BULLISH).save(tmp_path / "post.png")
    path = tmp_path / "posts.jsonl"
    path.write_text(json.dumps(post("", author, type="image", media_urls=["post.png"])) + "\n")

    done = stack.ingest_file(path)

    assert (done["posts"], done["signals"], done["orders"]) == (1, 1, 1)
    [order] = trader.all("/api/v1/orders")
    signals = trader.api.get("/api/v1/signals", params={"coin": "DOGE"}).json()["signals"]
    mine = next(signal for signal in signals if signal["id"] == order["signal_id"])
    assert any(evidence["box"] for evidence in mine["evidence"])


def _picture(text: str):  # type: ignore[no-untyped-def]
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (1000, 120), "white")
    ImageDraw.Draw(image).text((20, 40), text, fill="black", font=ImageFont.load_default(30))
    return image


def test_a_post_in_two_hundred_brings_its_order_while_a_worker_is_killed(
    stack: RunningStack, trader: Trader, author: str
) -> None:
    from tests.e2e.killing import kill_one_worker_child

    strategy(trader, author, actions={"bullish": {"percentage": 1, "max_amount": 20}})
    posts = [post(f"{BULLISH} ({number})", author) for number in range(20)]
    posts += [post(f"Quiet day on the charts, number {number}", author) for number in range(180)]

    with kill_one_worker_child(stack, "models"):
        done = stack.ingest(posts)

    assert (done["posts"], done["dead_lettered"]) == (200, 0)
    orders = trader.all("/api/v1/orders")
    assert len(orders) == done["orders"] == 20
    assert {order["status"] for order in orders} == {"FILLED"}
