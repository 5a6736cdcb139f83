"""How long a server wants to be left alone: the Retry-After header (RFC 9110, 10.2.3), in seconds or as a date."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

UNTOLD = 15.0
"""Seconds after a 429 that names none."""


def seconds_to_wait(response: httpx.Response) -> float:
    """0 where it did not ask for a pause."""
    told = _told(response.headers.get("retry-after", "").strip())
    return told or (UNTOLD if response.status_code == 429 else 0.0)


def _told(header: str) -> float:
    if not header:
        return 0.0
    try:
        seconds = float(header)
    except ValueError:
        return _until(header)
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0


def _until(header: str) -> float:
    try:
        moment = parsedate_to_datetime(header)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
