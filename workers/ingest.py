"""Feeding posts from a file into the live pipeline, and waiting until they are through."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Any

import msgspec

from apps.signals import selectors as signals
from apps.sources import selectors as sources
from apps.sources.adapters.media import import_media
from apps.sources.adapters.registry import source_names
from apps.sources.domain.identity import post_id
from apps.sources.domain.intake import is_local, read_crawler_message, read_line
from apps.strategies import selectors as strategies
from apps.trading import selectors as trading
from tradebot.contracts.errors import InvalidField, PermanentError
from tradebot.contracts.messages import CrawlerMessage
from tradebot.messaging import selectors as messaging
from workers import publisher
from workers.housekeeping import collect_dead_letters

POLL_SECONDS = 0.1
LOOK_SHARE = 30
COLLECT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a set of posts is. `outstanding` counts posts that some stage still owes an answer."""

    posts: int = 0
    duplicates: int = 0
    analysed: int = 0
    signals: int = 0
    commands: int = 0
    denied: int = 0
    orders: int = 0
    filled: int = 0
    dead_lettered: int = 0
    outstanding: int = 0
    latencies_ms: tuple[float, ...] = field(default=(), repr=False)


def read_lines(
    path: Path, *, rebase_to: datetime | None = None, now: datetime | None = None
) -> tuple[list[CrawlerMessage], list[dict[str, Any]]]:
    """Every line of a JSONL file as a new sighting, and the lines that are none as {"line", "error"}.

    Local files named in `media_urls` (relative to the JSONL file) are taken into the media storage: whoever runs the
    command is an operator. `rebase_to` shifts all times so that the last post is then.
    """
    now = now or datetime.now(UTC)
    read, rejected = _mappings(path)
    if rebase_to:
        shifted = rebase([raw for _, raw in read], rebase_to)
        read = [(number, raw) for (number, _), raw in zip(read, shifted, strict=True)]
    allowed = source_names()
    good: list[CrawlerMessage] = []
    for number, raw in read:
        try:
            message = read_crawler_message(
                raw, allowed_sources=allowed, now=now, trust=True, allow_media=sources.allowed_media()
            )
            good.append(_with_media(message, path.parent))
        except PermanentError as error:
            rejected.append({"line": number, "error": str(error)})
    return good, sorted(rejected, key=lambda entry: entry["line"])


def _mappings(path: Path) -> tuple[list[tuple[int, dict[str, Any]]], list[dict[str, Any]]]:
    read: list[tuple[int, dict[str, Any]]] = []
    rejected: list[dict[str, Any]] = []
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                read.append((number, dict(read_line(line))))
            except InvalidField as error:
                rejected.append({"line": number, "error": str(error)})
    return read, rejected


def _with_media(message: CrawlerMessage, folder: Path) -> CrawlerMessage:
    urls = [_import(url, folder) if is_local(url) else url for url in message.media_urls]
    return msgspec.structs.replace(message, media_urls=urls)


def _import(url: str, folder: Path) -> str:
    if url.startswith("media:"):
        return url
    return import_media(folder / url.removeprefix("file://").removeprefix("file:"))


def rebase(items: Sequence[dict[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """The same items, all shifted by one amount so that the latest time is `now`; unreadable times stay as they are."""
    times = [moment for item in items if (moment := _moment(item.get("timestamp")))]
    if not times:
        return list(items)
    shift = now - max(times)
    return [
        {**item, "timestamp": (moment + shift).isoformat()} if (moment := _moment(item.get("timestamp"))) else item
        for item in items
    ]


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None


def publish(messages: Iterable[CrawlerMessage]) -> None:
    """Hand posts to the clean stage; returns once the broker has them all."""
    publisher.publish(messages)


def progress(messages: Sequence[CrawlerMessage]) -> Progress:
    """Where these sightings are now, read from the rows that each stage writes."""
    roots = [message.root_id for message in messages]
    known = sources.sightings([post_id(message) for message in messages])
    seen = set(known.values())
    fresh = {root for root in roots if root in seen}
    duplicates = sum(
        1 for message in messages if (owner := known.get(post_id(message))) is not None and owner != message.root_id
    )
    dead = messaging.dead_roots(roots)
    posts = [post for post, root in known.items() if root in fresh]
    judged = signals.progress(posts)
    promised = strategies.promised(signals.ids_of_posts(posts))
    traded = trading.progress(sorted(fresh))
    unseen = len(roots) - len(fresh) - duplicates - len(dead - fresh)
    unjudged = len(fresh - dead) - judged.analysed
    return Progress(
        posts=len(fresh),
        duplicates=duplicates,
        analysed=judged.analysed,
        signals=judged.signals,
        commands=traded.commands,
        denied=traded.denied,
        orders=traded.orders,
        filled=traded.filled,
        dead_lettered=len(dead),
        outstanding=max(0, unseen)
        + max(0, unjudged)
        + judged.undispatched
        + max(0, promised - traded.commands)
        + traded.commands
        - traded.terminal,
    )


def wait(
    messages: Sequence[CrawlerMessage],
    *,
    timeout: float = 600,
    on_progress: Callable[[Progress], None] | None = None,
) -> Progress:
    """Poll until nothing is outstanding. Raises TimeoutError saying how many posts are not through."""
    deadline = time.monotonic() + timeout
    collected = time.monotonic()
    while True:
        asked = time.monotonic()
        now = progress(messages)
        took = time.monotonic() - asked
        if on_progress:
            on_progress(now)
        if not now.outstanding:
            return replace(now, latencies_ms=trading.acknowledged_ms([message.root_id for message in messages]))
        if time.monotonic() > deadline:
            raise TimeoutError(f"{now.outstanding} of {len(messages)} posts are not through after {timeout:.0f} s")
        if time.monotonic() - collected > COLLECT_SECONDS:
            collect_dead_letters()
            collected = time.monotonic()
        # Looking must not slow down what is looked at.
        time.sleep(max(POLL_SECONDS, LOOK_SHARE * took))


def report(now: Progress, rejected: list[dict[str, Any]]) -> dict[str, Any]:
    """The JSON object that `manage.py ingest --wait` prints."""
    return {
        "posts": now.posts,
        "duplicates": now.duplicates,
        "rejected": rejected,
        "signals": now.signals,
        "commands": now.commands,
        "denied": now.denied,
        "orders": now.orders,
        "filled": now.filled,
        "dead_lettered": now.dead_lettered,
        "latency_ms": latency(now.latencies_ms),
    }


def latency(values: Sequence[float]) -> dict[str, float | None]:
    """p50 and p99 in milliseconds from first sight to the order's acknowledgement; null without orders."""
    if not values:
        return {"p50": None, "p99": None}
    if len(values) == 1:
        return {"p50": round(values[0], 1), "p99": round(values[0], 1)}
    cuts = quantiles(values, n=100, method="inclusive")
    return {"p50": round(cuts[49], 1), "p99": round(cuts[98], 1)}
