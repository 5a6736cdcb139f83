"""What the streams say of themselves, by venue."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

CONNECTED = Gauge(
    "tradebot_streams_connected",
    "Connections that are up: accounts, and price feeds.",
    ["venue", "kind"],
    multiprocess_mode="mostrecent",
)
RECONNECTS = Counter("tradebot_streams_reconnects_total", "Connections that ended and were made again.", ["venue"])
EVENTS = Counter("tradebot_stream_events_total", "Events by kind: order, trade, balance, price.", ["venue", "kind"])
LAG = Histogram(
    "tradebot_stream_lag_seconds",
    "Seconds from the exchange's own time of an event to its arrival here; its clock is not ours.",
    ["venue"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)


def note_event(venue: str, kind: str, told: Any) -> None:
    """Note one event; `told` is ccxt's, with its time in milliseconds if the venue tells one."""
    EVENTS.labels(venue, kind).inc()
    at = told.get("lastUpdateTimestamp") or told.get("timestamp")
    if at:
        LAG.labels(venue).observe(max(time.time() - at / 1000, 0.0))


def note_connected(streams: Iterable[tuple[str, str, bool]]) -> None:
    """How many are up, of all streams as (venue, kind, up)."""
    counts: dict[tuple[str, str], int] = {}
    for venue, kind, up in streams:
        counts[venue, kind] = counts.get((venue, kind), 0) + up
    for (venue, kind), count in counts.items():
        CONNECTED.labels(venue, kind).set(count)
