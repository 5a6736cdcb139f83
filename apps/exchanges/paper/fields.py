"""Reading the fields of an operator's request: every reader names the field and the remedy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

LARGEST = Decimal(10) ** 15
_SHORTEST_KEY = 8


class BadField(ValueError):
    """A field of an operator's request is missing or wrong."""

    def __init__(self, field: str, remedy: str) -> None:
        super().__init__(f"{field}: {remedy}")
        self.field = field


def read(body: str) -> Mapping[str, Any]:
    """The request's JSON object; an empty body is an empty object."""
    try:
        fields = json.loads(body or "{}", parse_float=Decimal)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise BadField("body", "must be a JSON object")
    return fields


def text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise BadField(name, "must be a non-empty text")
    return value


def key(fields: Mapping[str, Any], name: str) -> str:
    value = text(fields, name)
    if len(value) < _SHORTEST_KEY:
        raise BadField(name, f"must have at least {_SHORTEST_KEY} characters")
    return value


def integer(fields: Mapping[str, Any], name: str, *, least: int = 0) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise BadField(name, f"must be a whole number of at least {least}")
    return value


def moment(fields: Mapping[str, Any], name: str) -> int:
    """Epoch milliseconds, given as such or as ISO 8601 (UTC when it names no zone)."""
    value = fields.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    try:
        at = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise BadField(name, "must be epoch milliseconds or a time such as 2024-01-31T12:00:00Z") from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def deposits(fields: Mapping[str, Any]) -> Mapping[str, Decimal]:
    given = fields.get("deposits", {})
    if not isinstance(given, dict):
        raise BadField("deposits", 'must be an object such as {"USDT": "10000"}')
    for asset in given:
        if not (asset.isascii() and asset.isalnum() and asset.isupper()):
            raise BadField(f"deposits.{asset}", "asset names are upper-case letters and digits, such as USDT")
    return {asset: amount(number, f"deposits.{asset}") for asset, number in given.items()}


def amount(value: object, name: str) -> Decimal:
    """A positive number."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if not (number.is_finite() and 0 < number < LARGEST):
        raise BadField(name, 'must be a positive number, written as text such as "30000"')
    return number
