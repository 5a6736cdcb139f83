"""What a ccxt error means for an order: refused, certainly not placed, or unknown.

The rule leans to "unknown": only an answer that can't have placed anything counts as a refusal, and only a request
that can't have reached the matching engine counts as unavailable.
"""

from __future__ import annotations

import re
from typing import Any

import ccxt
from requests import exceptions as http
from urllib3 import exceptions as sockets

from tradebot.contracts.errors import VenueError, VenueRejected, VenueUnavailable, VenueUnknown

BUSY = frozenset({403, 418, 429})
SENSELESS = (TypeError, KeyError, IndexError, AttributeError, ValueError, ArithmeticError)
"""What reading an answer of the wrong shape raises inside ccxt and here."""
_LIMITED = (ccxt.DDoSProtection, ccxt.RateLimitExceeded)
_DOUBTFUL = (ccxt.OperationFailed, ccxt.DuplicateOrderId)
_DUPLICATE = re.compile(r"duplicate", re.IGNORECASE)


def order_error(error: Exception, client: Any) -> VenueError:
    """The error of an order request. `client` tells whether it was sent and what came back."""
    kind = _order_kind(error, client)
    return kind(_reason(error, client), _code(client))


def read_error(error: Exception, client: Any) -> VenueError:
    """The error of a read or a cancel: a definite no (a wrong key, an unknown pair), else unavailable."""
    definite = isinstance(error, ccxt.ExchangeError) and client.status is not None and 400 <= client.status < 500
    limited = isinstance(error, _LIMITED) or client.status in BUSY
    kind = VenueRejected if (definite or not client.sent) and not limited else VenueUnavailable
    return kind(_reason(error, client), _code(client))


def _order_kind(error: Exception, client: Any) -> type[VenueError]:
    if not client.sent:
        return VenueRejected
    if client.status is None:
        return VenueUnavailable if _never_connected(error) else VenueUnknown
    if client.status in BUSY or isinstance(error, _LIMITED):
        return VenueUnavailable
    if isinstance(error, ccxt.InvalidNonce):
        return VenueRejected
    if not 400 <= client.status < 500 or isinstance(error, _DOUBTFUL) or _DUPLICATE.search(str(error)):
        return VenueUnknown
    return VenueRejected


def _never_connected(error: Exception) -> bool:
    """Whether not even a connection came about: refused, no route, no such host, or connecting timed out."""
    cause = error.__cause__ or error.__context__
    if isinstance(cause, http.ConnectTimeout):
        return True
    inner = cause.args[0] if isinstance(cause, http.ConnectionError) and cause.args else None
    return isinstance(getattr(inner, "reason", None), (sockets.NewConnectionError, sockets.ConnectTimeoutError))


def _reason(error: Exception, client: Any) -> str:
    """The venue's own words; else what happened to the connection, without the address, whose query is signed."""
    told = client.told
    if isinstance(told, dict) and told.get("msg"):
        return str(told["msg"])
    if client.sent:
        status = f" (HTTP {client.status})" if client.status else ""
        return f"{type(error).__name__}{status}{_retry_after(client)}"
    return str(error)


def _retry_after(client: Any) -> str:
    seconds = client.status in BUSY and (client.last_response_headers or {}).get("Retry-After")
    return f", retry after {seconds} s" if seconds else ""


def _code(client: Any) -> str:
    told = client.told
    return str(told["code"]) if isinstance(told, dict) and "code" in told else ""
