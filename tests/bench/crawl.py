"""What crawling X costs: posts into the broker beside one publish a post, an idle poll, a thousand accounts' lag."""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from tests.bench.results import Result, at_least, at_most
from tests.outside.x.process import LocalX, running
from tradebot.embedded.layout import CHECKOUT

BACKLOG = 10_000
ONE_BY_ONE = 1_000
ROUNDS = 2
IDLE_ACCOUNTS, IDLE_POLLS = 20, 50
IDLE_LIMIT_MS = 20
ACCOUNTS = 1_000
SCALE = 10
"""The clock of the thousand accounts runs so many times faster: 5 minutes are 30 s, X's 15 minutes 90 s."""
INTERVAL = 300 // SCALE
INTERVALS = 3
POSTS_A_SECOND = 8
TICK = 5 / SCALE
SEARCHES, WINDOW = 450, 900 // SCALE


def run() -> list[Result]:
    """In a process of its own: other parts set Django up for a stack of theirs. Needs BROKER_URL (RabbitMQ)."""
    from tests.bench import bare

    command = [sys.executable, "-m", "tests.bench.crawl"]
    done = subprocess.run(command, cwd=CHECKOUT, env=bare.ENVIRONMENT, stdout=subprocess.PIPE, check=True)
    return [Result(**entry) for entry in json.loads(done.stdout.splitlines()[-1])]


def main() -> None:
    """Measure (only what the arguments name), and print the results as one line of JSON."""
    from django.conf import settings

    parts = {"backlog": _backlog, "idle": _idle, "thousand": _thousand}
    _setup_django()
    results: list[Result] = []
    for name in sys.argv[1:] or parts:
        # One each: it looks through everything that was posted.
        with running() as x:
            settings.GUARDED_ALLOW = [x.endpoint]
            results += parts[name](x)
    json.dump([asdict(result) for result in results], sys.stdout)
    sys.stdout.write("\n")


def _setup_django() -> None:
    os.environ.update(DJANGO_SETTINGS_MODULE="tradebot.settings", LOG_FORMAT="text")
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def _source(name: str, x: LocalX, **config: Any) -> str:
    from apps.sources.models import Source

    # A token of its own, and with it a limit: the real X would not let all parts run within 15 minutes.
    variable = f"X_TOKEN_{name.split(maxsplit=1)[0].upper()}"
    os.environ[variable] = f"token-{name.split(maxsplit=1)[0]}"
    settings = {"bearer_token": f"env:{variable}", "api_base": x.url, **config}
    Source.objects.filter(enabled=True).update(enabled=False)
    Source.objects.create(name=name, kind="twitter", interval_seconds=INTERVAL, config=settings)
    return name


# --- a backlog -------------------------------------------------------------------------------------------------------


def _backlog(x: LocalX) -> list[Result]:
    """Posts per second, from the first request to the last confirm and the stored watermark; the bound is taken before
    and after each round."""
    from workers.crawl import session

    x.posts([{"username": "warm", "text": "up"}])
    session.run(_source("warm up", x, accounts=["warm"]))
    ours: list[float] = []
    bound: list[float] = []
    for turn in range(ROUNDS):
        author = f"busy{turn}"
        x.posts([{"username": author, "text": f"Post {n} of a busy account, of usual length"} for n in range(BACKLOG)])
        bound.append(_one_by_one())
        begun = time.perf_counter()
        report = session.run(_source(f"backlog {turn}", x, accounts=[author], page_limit=200))
        ours.append(BACKLOG / (time.perf_counter() - begun))
        assert report.fresh == BACKLOG, report
        bound.append(_one_by_one())
    return [
        at_least(
            f"{BACKLOG:,} new posts of X into the broker",
            statistics.median(ours),
            "posts/s",
            statistics.median(bound),
            5,
        )
    ]


def _one_by_one() -> float:
    """Posts per second when each is published alone and confirmed."""
    from tests.factories import crawler_message
    from workers import publisher

    posts = [
        crawler_message(data=f"Post {number} of a busy account, of usual length", author="busy")
        for number in range(ONE_BY_ONE)
    ]
    publisher.publish(posts[:1])
    begun = time.perf_counter()
    for post in posts:
        publisher.publish([post])
    return ONE_BY_ONE / (time.perf_counter() - begun)


# --- nothing new -----------------------------------------------------------------------------------------------------


def _idle(x: LocalX) -> list[Result]:
    """Processor time of this process for a whole crawl that finds nothing: lease, settings, requests, state."""
    from workers.crawl import session

    names = [f"idle{number}" for number in range(IDLE_ACCOUNTS)]
    x.posts([{"username": name, "text": "the last one"} for name in names])
    name = _source("idle", x, accounts=names)
    for _ in range(5):
        session.run(name)
    x.requests(forget=True)
    spent: list[float] = []
    for _ in range(IDLE_POLLS):
        begun = time.process_time()
        report = session.run(name)
        spent.append((time.process_time() - begun) * 1000)
        assert (report.outcome, report.fresh) == ("ok", 0), report
    requests = len(x.requests()) / IDLE_POLLS
    return [
        at_most("a poll that finds nothing: our CPU, p50", statistics.median(spent), "ms", IDLE_LIMIT_MS),
        Result(f"  requests of it, for {IDLE_ACCOUNTS} accounts", requests, "requests"),
    ]


# --- a thousand accounts ---------------------------------------------------------------------------------------------


def _thousand(x: LocalX) -> list[Result]:
    names = [f"many{number}" for number in range(ACCOUNTS)]
    x.do("users", users=[{"username": name} for name in names])
    x.do("limit", endpoint="GET /2/tweets/search/recent", requests=SEARCHES, seconds=WINDOW)
    _source("many", x, accounts=names)
    lags: list[float] = []
    _crawl_until(time.monotonic() + 1, lags)
    x.requests(forget=True)
    lags.clear()
    spent = time.process_time()
    with _posting(x, names):
        _crawl_until(time.monotonic() + INTERVALS * INTERVAL, lags)
    _crawl_until(time.monotonic() + INTERVAL + 2, lags)
    spent = time.process_time() - spent
    requests = x.requests()
    searches = [entry for entry in requests if entry["endpoint"].endswith("search/recent")]
    p95 = statistics.quantiles(lags, n=100)[94]
    assert all(entry["status"] == 200 for entry in requests), "a limit was run into"
    assert len(lags) > INTERVALS * INTERVAL * POSTS_A_SECOND * 0.8, len(lags)
    return [
        at_most(f"{ACCOUNTS:,} accounts, clock x {SCALE}: lag p95", p95, "s", INTERVAL),
        Result("  lag p50", round(statistics.median(lags), 2), "s"),
        at_most("  searches in 15 minutes of X's", _most_in_a_window(searches), "requests", SEARCHES),
        Result("  our CPU, of a core", round(100 * spent / ((INTERVALS + 1) * INTERVAL), 1), "%"),
    ]


def _crawl_until(end: float, lags: list[float]) -> None:
    """As beat and a worker would: what is due is crawled, every TICK."""
    from workers import publisher
    from workers.crawl import crawl_due, session

    def publish(posts: Sequence[Any]) -> None:
        publisher.publish(posts)
        lags.extend((post.seen_at - post.timestamp).total_seconds() for post in posts)

    while (now := time.monotonic()) < end:
        for source in crawl_due():
            report = session.run(source.name, publish)
            assert report.outcome == "ok", report
        time.sleep(max(0.0, now + TICK - time.monotonic()))


@contextmanager
def _posting(x: LocalX, names: Sequence[str]) -> Iterator[None]:
    """Somebody of these posts, at random moments."""
    over = threading.Event()
    chance = random.Random(5)

    def go_on() -> None:
        number = 0
        while not over.wait(chance.expovariate(POSTS_A_SECOND)):
            number += 1
            x.post(chance.choice(names), f"post {number}")

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _most_in_a_window(entries: Sequence[dict[str, Any]]) -> float:
    moments = [entry["at"] for entry in entries]
    return float(max(sum(begin <= moment < begin + WINDOW for moment in moments) for begin in moments))


if __name__ == "__main__":
    main()
