"""Reading the fields of a request or of one row of it by OKX's rules. Numbers are text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from apps.exchanges.paper.okx.errors import BAD_REQUEST, ApiError, missing, wrong

NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
WHOLE = re.compile(r"[0-9]{1,18}")
CLIENT_ID = re.compile(r"[A-Za-z0-9]{1,32}")


@dataclass(frozen=True, slots=True)
class Params:
    """Every reader raises ApiError (a field is missing) or RowError (it is malformed), naming the field."""

    given: Mapping[str, Any]

    def __contains__(self, name: str) -> bool:
        return bool(self.optional(name))

    def optional(self, name: str, default: str = "") -> str:
        """Absent, null and empty mean the same here; a number may come as such or as text."""
        value = self.given.get(name)
        if isinstance(value, (bool, dict, list)):
            raise wrong(name)
        return default if value is None or value == "" else str(value)

    def text(self, name: str) -> str:
        value = self.optional(name)
        if not value:
            raise missing(name)
        return value

    def amount(self, name: str) -> Decimal:
        """A positive number."""
        text = self.text(name)
        if not NUMBER.fullmatch(text) or not Decimal(text):
            raise wrong(name)
        return Decimal(text)

    def client_id(self, name: str) -> str:
        """Up to 32 letters and digits; empty when none is given."""
        text = self.optional(name)
        if text and not CLIENT_ID.fullmatch(text):
            raise wrong(name)
        return text

    def integer(self, name: str) -> int | None:
        text = self.optional(name)
        if text and not WHOLE.fullmatch(text):
            raise wrong(name)
        return int(text) if text else None

    def limit(self, default: int, most: int, name: str = "limit") -> int:
        return min(self.integer(name) or default, most)


def read(method: str, query: str, body: str) -> Sequence[Params]:
    """The rows of a request: one of the query or of an object, several of a list."""
    if method == "GET":
        return [Params(dict(parse_qsl(query, keep_blank_values=True)))]
    if not body:
        raise ApiError(50000, "Body for POST request can not be empty.", BAD_REQUEST)
    try:
        told = json.loads(body, parse_float=str, parse_int=str)
    except ValueError:
        raise ApiError(50002, "JSON syntax error", BAD_REQUEST) from None
    rows = told if isinstance(told, list) else [told]
    if not all(isinstance(row, dict) for row in rows) or not rows:
        raise ApiError(50002, "JSON syntax error", BAD_REQUEST)
    return [Params(row) for row in rows]
