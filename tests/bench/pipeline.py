"""The pipeline's three figures: a backlog's rate, one post's latency, the memory of an idle stack."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import cycle, islice
from typing import Any

from tests.bench import bare, memory
from tests.bench.results import Result, at_least, at_most
from tests.stack import running_stack
from tradebot.embedded.layout import Layout

BACKLOG = 2_000
BARE_BACKLOG = 500
SINGLES = 100
TURNS = 5
WARM_UP = 12
USERS = 10
IDLE_LIMIT_MIB = 1536

TRADING = (
    "Buying more $DOGE right now, this is going to the moon",
    "BREAKING: Binance will list ${coin} tomorrow, very bullish",
    "SOL breakout confirmed, strong buy, target 300",
    "The ${coin} ETF is approved! New all time highs, extremely bullish",
)
"""What strategies act on: one post in twenty of the backlog."""

COINS = ("BTC", "ETH", "XRP", "ADA", "LTC", "LINK", "AVAX", "DOT")
"""News of another coin is another story: of one story a strategy acts on one post."""

CHATTER = (
    "Good morning everyone, another quiet day on the charts for me and my coffee",
    "We talked with the developers about their roadmap and the next conference in Lisbon",
    "Reading a long report about mining economics, some interesting numbers in chapter three",
    "Ethereum gas fees were discussed again in today's community call, nothing decided",
    "Anyone else having trouble with the app after the last update? Mine keeps logging out",
    "Bitcoin moved sideways through the Asian session with little volume",
    "My cat walked over the keyboard again and now everything is in bold letters",
    "A reminder that the webinar on self custody starts at five, bring your questions",
)


def run() -> list[Result]:
    """Both chains on one broker in turns, so that a machine that grows slower or faster does so for both.

    Needs BROKER_URL (RabbitMQ) and REDIS_URL.
    """
    with running_stack(BROKER_URL=os.environ["BROKER_URL"]) as stack:
        idle = memory.idle_mib(stack.layout)
        _setup_django(stack.layout)
        _make_traders()
        with bare.workers():
            bare_p50, ours_p50, stages = _one_by_one()
            bare_rate, ours_rate, orders = _backlogs()
    for name, mib in sorted(idle.items(), key=lambda entry: -entry[1]):
        print(f"  idle {name:24} {mib:7.1f} MiB")  # noqa: T201 - the run's own report
    return [
        at_least("backlog of 2,000 text posts, whole pipeline", ours_rate, "posts/s", bare_rate, 3),
        Result("  orders made of that backlog", orders, "orders"),
        at_most("one post: seen to order acknowledged, p50", ours_p50, "ms", bare_p50, 2),
        *[Result(f"  of which until the end of {name}", round(ms, 1), "ms") for name, ms in stages.items()],
        at_most("idle stack, PSS without the broker", sum(idle.values()), "MiB", IDLE_LIMIT_MIB),
    ]


def _setup_django(layout: Layout) -> None:
    for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "CREDENTIAL_KEYS", "PAPER_EXCHANGE_TOKEN"):
        os.environ.pop(name, None)
    os.environ["VAR_DIR"] = str(layout.var)
    os.environ["DJANGO_SETTINGS_MODULE"] = "tradebot.settings"
    os.environ["LOG_FORMAT"] = "text"
    import django

    django.setup()


def _make_traders() -> None:
    from apps.strategies import services as strategies
    from workers.traders import open_trader

    for number in range(USERS):
        trader = open_trader(f"bench{number}", {"USDT": Decimal(1_000_000)})
        strategies.create(
            user_id=trader.user_id,
            raw={
                "name": f"bench {number}",
                "watch_list": {"twitter_users": [f"trader{number}"]},
                "actions": {"bullish": {"percentage": 1, "max_amount": 50}},
                "cooldown_minutes": 0,
            },
        )


def _post(number: int, text: str, author: str) -> Any:
    from tests.factories import crawler_message

    coin = COINS[number // 20 % len(COINS)]  # four texts and ten traders meet again after twenty posts
    return crawler_message(data=f"{text.replace('{coin}', coin)} ({number})", author=author)


@dataclass
class _Timed:
    """Milliseconds of single posts: the whole way, and until the end of each stage."""

    whole: list[float] = field(default_factory=list)
    ends: dict[str, list[float]] = field(default_factory=dict)


def _one_by_one() -> tuple[float, float, dict[str, float]]:
    """p50 in ms of the bare chain; of ours, from first sight to the acknowledged order; of the end of our stages."""
    plain: list[float] = []
    ours = _Timed()
    posts = enumerate(cycle(TRADING))
    _time(islice(posts, WARM_UP), _Timed())
    for _ in range(TURNS):
        plain += bare.latencies(SINGLES // TURNS, CHATTER[1] * 4)
        _time(islice(posts, SINGLES // TURNS), ours)
    ends = {name: statistics.median(ms) for name, ms in ours.ends.items()}
    return statistics.median(plain) * 1000, statistics.median(ours.whole), ends


def _time(texts: Iterable[tuple[int, str]], into: _Timed) -> None:
    from apps.trading.models import Order
    from workers import ingest

    for number, text in texts:
        post = _post(number, text, f"trader{number % USERS}")
        ingest.publish([post])
        order = _acknowledged(Order, post.root_id)
        into.whole.append((order.acked_at - post.seen_at).total_seconds() * 1000)
        for stage, (_, end) in order.command.stages.items():
            at = datetime.fromisoformat(end)
            into.ends.setdefault(stage, []).append((at - post.seen_at).total_seconds() * 1000)


_ACKED = """
SELECT o.id FROM trading_order o JOIN trading_command c ON c.id = o.command_id
WHERE c.root_id = %s AND o.acked_at IS NOT NULL
"""


def _acknowledged(orders: Any, root_id: str) -> Any:
    """The post's order, once the exchange has answered. Asks seldom and plainly, so as not to slow what it times."""
    from django.db import connection

    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(_ACKED, [root_id])
            if found := cursor.fetchone():
                return orders.objects.select_related("command").get(pk=found[0])
        time.sleep(0.025)
    raise TimeoutError("a post that must trade made no order in 30 s")


def _backlogs() -> tuple[float, float, int]:
    """Posts per second of the bare chain, half of them before ours and half after; of ours; the orders it made."""
    half = BARE_BACKLOG // 2
    before = bare.throughput(half, CHATTER[1] * 4)
    rate, orders = _backlog()
    after = bare.throughput(half, CHATTER[1] * 4)
    return BARE_BACKLOG / (half / before + half / after), rate, orders


def _backlog() -> tuple[float, int]:
    """Posts per second of the backlog, from the first publish to the last stored result, and the orders it made."""
    from apps.trading.models import Order
    from workers import ingest

    posts = [
        _post(number, TRADING[number % len(TRADING)], f"trader{number % USERS}")
        if number % 20 == 0
        else _post(number, CHATTER[number % len(CHATTER)], "chatter")
        for number in range(1_000, 1_000 + BACKLOG)
    ]
    start = datetime.now(UTC)
    ingest.publish(posts)
    done = ingest.wait(posts, timeout=300)
    assert done.posts == BACKLOG, done
    assert not done.dead_lettered, done
    return BACKLOG / (_last_write(start) - start).total_seconds(), Order.objects.filter(created_at__gte=start).count()


def _last_write(start: datetime) -> datetime:
    from django.db.models import Max

    from apps.signals.models import Analysis
    from apps.trading.models import Order

    judged = Analysis.objects.filter(created_at__gte=start).aggregate(at=Max("created_at"))["at"]
    acked = Order.objects.filter(created_at__gte=start).aggregate(at=Max("acked_at"))["at"]
    return max(moment for moment in (judged, acked) if moment)
