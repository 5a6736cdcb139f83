"""What jsonb can't hold, written so that it can."""

from __future__ import annotations

import json
import math
import re
from typing import Any

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def as_text(text: str) -> str:
    """`text` with NUL and half surrogates written as their escapes, which people can read."""
    return _UNSTORABLE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def as_jsonb(value: Any) -> Any:
    """A copy of a JSON value that PostgreSQL takes. NaN and the infinities become text.

    Raises TypeError or ValueError for what is no JSON value at all, RecursionError for one nested too deeply.
    """
    return _copy(json.loads(json.dumps(value)))


def _copy(value: Any) -> Any:
    if isinstance(value, str):
        return as_text(value)
    if isinstance(value, dict):
        return {as_text(key): _copy(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_copy(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
