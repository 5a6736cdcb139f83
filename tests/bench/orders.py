"""What an order costs: our part beside bare ccxt, ten at once, many accounts at once, and an account's memory."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import requests
from requests.adapters import HTTPAdapter

from tests.bench.pipeline import _setup_django
from tests.bench.results import Result, at_least, at_most
from tests.stack import RunningStack, running_stack
from tradebot.embedded.layout import CHECKOUT

SINGLES = 120
WARM_UP = 20
COLD_PAIRS = ("ADA/USDT", "AVAX/USDT", "LINK/USDT", "LTC/USDT", "XRP/USDT")
BURST = 10
ACCOUNTS, ORDERS_EACH = 10, 20
ANSWER_MS = 250
WIRE_LIMIT_MS = 200
MEMORY_LIMIT_MIB = 60
PAIR = "BTC/USDT"
EXCHANGE_INFO = "exchange/binance_local_exchange"


def run() -> list[Result]:
    """All four, one after the other, on a whole stack. Needs BROKER_URL (RabbitMQ)."""
    with running_stack(BROKER_URL=os.environ["BROKER_URL"]) as stack:
        _setup_django(stack.layout)
        return [*_one_order(stack), *_ten_at_once(), *_many_accounts(stack), *_memory()]


# --- one order -------------------------------------------------------------------------------------------------------


@dataclass
class Wire:
    """Notes when an order leaves this process, and how long the answer took."""

    left: list[float] = field(default_factory=list)
    away: float = 0.0

    @contextmanager
    def watched(self) -> Iterator[Wire]:
        send = HTTPAdapter.send

        def noted(adapter: HTTPAdapter, request: requests.PreparedRequest, *rest: Any, **more: Any) -> Any:
            begun = time.perf_counter()
            if request.method == "POST":
                self.left.append(begun)
            try:
                return send(adapter, request, *rest, **more)
            finally:
                self.away += time.perf_counter() - begun

        HTTPAdapter.send = noted  # type: ignore[method-assign]
        try:
            yield self
        finally:
            HTTPAdapter.send = send  # type: ignore[method-assign]


def _one_order(stack: RunningStack) -> list[Result]:
    trader = _trader("one")
    bare = _bare_client(stack)
    ours: list[float] = []
    plain: list[float] = []
    for _ in range(SINGLES + WARM_UP):
        plain.append(_bare_ms(bare))
        ours.append(_ours_ms(trader, PAIR))
    cold = [_ours_ms(trader, pair) for pair in COLD_PAIRS]
    return [
        at_most(
            "one order: command received to request on the wire, p50",
            statistics.median(ours[WARM_UP:]),
            "ms",
            statistics.median(plain[WARM_UP:]),
            5,
        ),
        Result("  the same for a pair not asked about before", round(statistics.median(cold), 2), "ms"),
    ]


def _ours_ms(trader: Any, pair: str) -> float:
    from workers.execute import execute

    command = _command(trader, pair)
    with Wire().watched() as wire:
        begun = time.perf_counter()
        execute([command])
    (left,) = wire.left
    return (left - begun) * 1000


def _bare_ms(client: Any) -> float:
    """The client's own time in one create_order: everything but the way there and back."""
    with Wire().watched() as wire:
        begun = time.perf_counter()
        client.create_order(PAIR, "market", "buy", "0.001", None, {"newClientOrderId": uuid4().hex})
        whole = time.perf_counter() - begun
    return (whole - wire.away) * 1000


def _bare_client(stack: RunningStack) -> Any:
    """An unmodified ccxt client (its address apart) on a funded account of its own."""
    import ccxt

    from apps.exchanges.adapters import paper_admin

    keys = (uuid4().hex, uuid4().hex)
    paper_admin.open_account(*keys, {"USDT": Decimal(100_000_000)})
    options = {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False, "fetchCurrencies": False}
    client = ccxt.binance({"apiKey": keys[0], "secret": keys[1], "options": options, "enableRateLimit": False})
    root = stack.run["paper_exchange"]
    client.urls["api"] = {
        name: f"{root}/{to.split('/', 3)[3]}" for name, to in client.urls["api"].items() if isinstance(to, str)
    }
    client.load_markets()
    return client


# --- through the broker ----------------------------------------------------------------------------------------------


def _ten_at_once() -> list[Result]:
    trader = _trader("ten")
    _through([_command(trader, PAIR)])
    rounds = [_wire_ms(_through([_command(trader, PAIR) for _ in range(BURST)])) for _ in range(5)]
    p50 = statistics.median(ms for each in rounds for ms in each)
    return [at_most("ten signals for one account at once: on the wire, p50", p50, "ms", WIRE_LIMIT_MS)]


def _many_accounts(stack: RunningStack) -> list[Result]:
    traders = [_trader(f"many{number}") for number in range(ACCOUNTS)]
    clients = [_bare_client(stack) for _ in range(ACCOUNTS)]
    _through([_command(trader, PAIR) for trader in traders])
    with _slow_answers(stack):
        bare = _per_second(lambda: _all_bare(clients))
        orders = [_command(trader, PAIR) for _ in range(ORDERS_EACH) for trader in traders]
        ours = _per_second(lambda: _through(orders))
    return [at_least(f"{ACCOUNTS} accounts x {ORDERS_EACH} orders, answers after 250 ms", ours, "orders/s", bare, 0.8)]


def _all_bare(clients: Iterable[Any]) -> None:
    def line(client: Any) -> None:
        for _ in range(ORDERS_EACH):
            client.create_order(PAIR, "market", "buy", "0.001", None, {"newClientOrderId": uuid4().hex})

    with ThreadPoolExecutor(ACCOUNTS) as pool:
        list(pool.map(line, clients))


def _per_second(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return ACCOUNTS * ORDERS_EACH / (time.perf_counter() - begun)


def _through(commands: list[Any]) -> tuple[datetime, list[Any]]:
    """Publish each command by itself, as ten signals would come, and wait until the exchange has answered for all."""
    from apps.trading.models import Order
    from workers import publisher

    begun = datetime.now(UTC)
    for command in commands:
        publisher.publish([command])
    roots = [command.root_id for command in commands]
    mine = Order.objects.filter(command__root_id__in=roots)
    deadline = time.monotonic() + 300
    while (done := mine.filter(acked_at__isnull=False).count()) < len(commands):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{done} of {len(commands)} orders were acknowledged in 300 s")
        time.sleep(0.05)
    return begun, list(mine)


def _wire_ms(sent: tuple[datetime, list[Any]]) -> list[float]:
    begun, orders = sent
    return [(order.submitted_at - begun).total_seconds() * 1000 for order in orders]


@contextmanager
def _slow_answers(stack: RunningStack) -> Iterator[None]:
    """Every order at the paper exchange is answered after 250 ms, for whoever asks."""
    with httpx.Client(base_url=stack.run["paper_exchange"], headers=_operator(stack)) as operator:
        rule = {"kind": "delay", "method": "POST", "path": "/api/v3/order", "answer_ms": ANSWER_MS, "times": 0}
        operator.post("/paper/faults", json=rule).raise_for_status()
        try:
            yield
        finally:
            operator.delete("/paper/faults").raise_for_status()


def _operator(stack: RunningStack) -> dict[str, str]:
    token = (stack.layout.secrets / "PAPER_EXCHANGE_TOKEN").read_text().strip()
    return {"Authorization": f"Bearer {token}"}


def _trader(name: str) -> Any:
    from workers.traders import open_trader

    return open_trader(f"bench-{name}-{uuid4().hex[:6]}", {"USDT": Decimal(100_000_000)})


def _command(trader: Any, pair: str) -> Any:
    from tradebot.contracts.messages import TradeCommand
    from tradebot.contracts.values import Action, AmountType, Leg

    now = datetime.now(UTC)
    return TradeCommand(
        id=str(uuid4()),
        root_id=str(uuid4()),
        seen_at=now,
        user_id=str(trader.user_id),
        action=Action.BUY,
        pair=pair,
        amount_type=AmountType.FIXED,
        amount=Decimal(50),
        signal_id=str(uuid4()),
        strategy_id=str(uuid4()),
        credential_id=str(trader.credential_id),
        leg=Leg.ENTRY,
        expires_at=now + timedelta(minutes=10),
        exchange="paper",
    )


# --- memory ----------------------------------------------------------------------------------------------------------


def _memory() -> list[Result]:
    """In a process of its own; left out where the recorded exchangeInfo is not at hand."""
    shared = Path(os.environ.get("TRADEBOT_SHARED_DATA") or CHECKOUT.parent / "shared" / "data")
    command = [sys.executable, "-m", "tests.bench.accounts", str(shared / EXCHANGE_INFO)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"  memory of accounts left out: {done.stderr.strip().splitlines()[-1:]}")  # noqa: T201 - the run's own report
        return []
    told = json.loads(done.stdout)
    name = f"a hundred accounts more than one, {told['markets']} markets"
    return [at_most(name, told["more_mib"], "MiB", MEMORY_LIMIT_MIB)]
