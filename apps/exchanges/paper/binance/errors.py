"""Binance's error codes and texts (docs: rest-api/errors), and which of them each refusal becomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.exchanges.paper.trade import Reason, Refused

UNAUTHORISED = frozenset({-2014, -2015})


class ApiError(Exception):
    """An answer `{"code", "msg"}`, and `more` with it, with an HTTP status of 4xx."""

    def __init__(self, code: int, msg: str, status: int = 400, more: Mapping[str, Any] | None = None) -> None:
        super().__init__(msg)
        self.code = code
        self.msg = msg
        self.more = dict(more or {})
        self.status = 401 if code in UNAUTHORISED else status


_REFUSALS = {
    Reason.UNKNOWN_SYMBOL: (-1121, "Invalid symbol."),
    Reason.INSUFFICIENT: (-2010, "Account has insufficient balance for requested action."),
    Reason.DUPLICATE: (-2010, "Duplicate order sent."),
    Reason.WOULD_TAKE: (-2010, "Order would immediately match and take."),
    Reason.WOULD_TRIGGER: (-2010, "Stop price would trigger immediately."),
    Reason.UNKNOWN_ORDER: (-2011, "Unknown order sent."),
    Reason.NO_LIQUIDITY: (-2010, "Order book liquidity is less than LOT_SIZE filter minimum quantity."),
}


def refusal(refused: Refused) -> ApiError:
    """The answer for what the engine refused."""
    if refused.reason is Reason.FILTER:
        return ApiError(-1013, f"Filter failure: {refused.detail}")
    return ApiError(*_REFUSALS[refused.reason])


def missing(name: str) -> ApiError:
    return ApiError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def unexpected(name: str) -> ApiError:
    return ApiError(-1106, f"Parameter '{name}' sent when not required.")


def illegal(name: str, legal: str) -> ApiError:
    return ApiError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")
