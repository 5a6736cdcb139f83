"""What a ccxt error means for an order: refused, certainly not placed, or unknown.

The rule leans to "unknown": only an answer that can't have placed anything counts as a refusal, and only a request
that can't have reached the matching engine counts as unavailable.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import urlsplit

import ccxt
from requests import exceptions as http
from urllib3 import exceptions as sockets

from tradebot.contracts.errors import VenueError, VenueRejected, VenueUnavailable, VenueUnknown

BUSY = frozenset({403, 418, 429})
SENSELESS = (TypeError, KeyError, IndexError, AttributeError, ValueError, ArithmeticError)
"""What reading an answer of the wrong shape raises inside ccxt and here."""
_LIMITED = (ccxt.DDoSProtection, ccxt.RateLimitExceeded)
_DOUBTFUL = (ccxt.OperationFailed, ccxt.DuplicateOrderId)
DUPLICATE = re.compile(r"duplicate", re.IGNORECASE)


class Dialect:
    """What a venue's errors look like on the wire: a mixin of its ccxt client, beside Noting."""

    told: Any
    urls: dict[str, Any]
    has_test_network: ClassVar[bool] = True
    certain: ClassVar[re.Pattern[str]] = re.compile("(?!)")
    """Codes that placed nothing for certain although ccxt has no class of error for them."""
    doubtful: ClassVar[frozenset[str]] = frozenset()
    """Codes of refusals after which the order may stand: time-outs inside the venue, and ids that exist already."""
    passing: ClassVar[frozenset[str]] = frozenset()
    """Codes of refusals that certainly placed nothing and will pass by themselves."""

    def refusal(self) -> tuple[str, str]:
        """Code and words of the last answer if it is a no, whatever its HTTP status; two empty texts if it is none."""
        told = self.told
        return (str(told["code"]), str(told.get("msg", ""))) if isinstance(told, dict) and "code" in told else ("", "")

    def parse_order_book_bids_asks(self, levels: Any, price: Any = 0, amount: Any = 1, *_: Any) -> list[list[Decimal]]:
        """ccxt makes floats of a book's levels whatever `number` says; as texts it would sort "9" after "10"."""
        return [[Decimal(str(level[price])), Decimal(str(level[amount]))] for level in levels or ()]

    def move_to(self, base_url: str) -> None:
        """Talk to another address than the dialect's own; paths, signatures and bodies stay."""
        root = base_url.rstrip("/")
        kept = {name: to for name, to in self.urls["api"].items() if isinstance(to, str)}
        self.urls["api"] = {name: f"{root}{urlsplit(to).path}".rstrip("/") for name, to in kept.items()}


def order_error(error: Exception, client: Any) -> VenueError:
    """The error of an order request. `client` tells whether it was sent and what came back."""
    kind = _order_kind(error, client)
    return kind(_reason(error, client), client.refusal()[0])


def read_error(error: Exception, client: Any) -> VenueError:
    """The error of a read or a cancel: a definite no (a wrong key, an unknown pair), else unavailable."""
    definite = isinstance(error, ccxt.ExchangeError) and _answered(client)
    limited = isinstance(error, _LIMITED) or client.status in BUSY or client.refusal()[0] in client.passing
    kind = VenueRejected if (definite or not client.sent) and not limited else VenueUnavailable
    return kind(_reason(error, client), client.refusal()[0])


def _order_kind(error: Exception, client: Any) -> type[VenueError]:
    if not client.sent:
        return VenueRejected
    if client.status is None:
        return VenueUnavailable if _never_connected(error) else VenueUnknown
    if client.status in BUSY or isinstance(error, _LIMITED) or client.refusal()[0] in client.passing:
        return VenueUnavailable
    if isinstance(error, ccxt.InvalidNonce):
        return VenueRejected
    return VenueUnknown if not _answered(client) or _doubtful(error, client) else VenueRejected


def _answered(client: Any) -> bool:
    """Whether the venue itself said no: by the HTTP status, or, as four of five do, inside of a 200."""
    status = client.status
    return status is not None and (400 <= status < 500 or (status == 200 and bool(client.refusal()[0])))


def _doubtful(error: Exception, client: Any) -> bool:
    code, words = client.refusal()
    unheard_of = client.status == 200 and type(error) is ccxt.ExchangeError and not client.certain.search(code)
    known = isinstance(error, _DOUBTFUL) or not isinstance(error, ccxt.BaseError) or code in client.doubtful
    return known or unheard_of or bool(DUPLICATE.search(f"{words} {error}"))


def _never_connected(error: Exception) -> bool:
    """Whether not even a connection came about: refused, no route, no such host, or connecting timed out."""
    cause = error.__cause__ or error.__context__
    if isinstance(cause, http.ConnectTimeout):
        return True
    inner = cause.args[0] if isinstance(cause, http.ConnectionError) and cause.args else None
    return isinstance(getattr(inner, "reason", None), (sockets.NewConnectionError, sockets.ConnectTimeoutError))


def _reason(error: Exception, client: Any) -> str:
    """The venue's own words; else what happened to the connection, without the address, whose query is signed."""
    words = client.refusal()[1]
    if words:
        return f"{words}{_retry_after(client)}"
    if client.sent:
        status = f" (HTTP {client.status})" if client.status else ""
        return f"{type(error).__name__}{status}{_retry_after(client)}"
    return str(error)


def _retry_after(client: Any) -> str:
    seconds = client.status in BUSY and (client.last_response_headers or {}).get("Retry-After")
    return f", retry after {seconds} s" if seconds else ""
