"""Reading request parameters by Binance's rules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import parse_qsl

from apps.exchanges.paper.binance.errors import ApiError, illegal, missing

DECIMAL = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
INTEGER = r"^[0-9]{1,20}$"
CLIENT_ID = r"^[\.A-Z\:/a-z0-9_-]{1,36}$"
_PLACES = -8


@dataclass(frozen=True, slots=True)
class Params:
    """Query and body parameters of one request. Every reader raises ApiError naming the parameter."""

    given: Mapping[str, str]

    @classmethod
    def read(cls, query: str, body: str) -> Params:
        pairs = parse_qsl(query, keep_blank_values=True) + parse_qsl(body, keep_blank_values=True)
        given = dict(pairs)
        if len(given) < len(pairs):
            raise ApiError(-1101, f"Too many parameters; expected '{len(given)}' and received '{len(pairs)}'.")
        return cls(given)

    def __contains__(self, name: str) -> bool:
        return name in self.given

    def text(self, name: str) -> str:
        value = self.given.get(name, "")
        if not value:
            raise missing(name)
        return value

    def optional(self, name: str, default: str = "") -> str:
        return self.given.get(name) or default

    def matching(self, name: str, legal: str) -> str:
        value = self.text(name)
        if not re.match(legal, value):
            raise illegal(name, legal)
        return value

    def integer(self, name: str) -> int:
        return int(self.matching(name, INTEGER))

    def maybe_integer(self, name: str) -> int | None:
        return self.integer(name) if name in self else None

    def amount(self, name: str) -> Decimal:
        """A positive number of at most eight decimals."""
        number = Decimal(self.matching(name, DECIMAL))
        exponent = number.normalize().as_tuple().exponent
        if isinstance(exponent, int) and exponent < _PLACES:
            raise ApiError(-1111, f"Parameter '{name}' has too much precision.")
        if number == 0:
            raise ApiError(-1013, f"Invalid {name}.")
        return number

    def limit(self, default: int, most: int) -> int:
        return min(self.maybe_integer("limit") or default, most)
