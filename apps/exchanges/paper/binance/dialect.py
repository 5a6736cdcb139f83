"""One Binance request from bytes to answer: find the endpoint, prove the account, count the weight, map refusals."""

from __future__ import annotations

from collections.abc import Mapping

from apps.exchanges.paper.binance.auth import signed_account
from apps.exchanges.paper.binance.endpoints import ENDPOINTS, Endpoint, Public, Signed
from apps.exchanges.paper.binance.errors import ApiError, refusal
from apps.exchanges.paper.binance.params import Params
from apps.exchanges.paper.engine import Exchange
from apps.exchanges.paper.limits import Exceeded, Limits
from apps.exchanges.paper.trade import Refused
from apps.exchanges.paper.wire import Answer, Call

PREFIXES = ("/api/", "/sapi/")


class BinanceDialect:
    """Binance spot, REST."""

    def __init__(self, exchange: Exchange, limits: Limits | None = None) -> None:
        self._exchange = exchange
        self._limits = limits or Limits()

    def answer(self, call: Call) -> Answer:
        """Always an answer: errors are `{"code", "msg"}` with Binance's status."""
        endpoint = ENDPOINTS.get((call.method, call.path))
        if endpoint is None:
            return Answer(404, {"code": -1020, "msg": "This operation is not supported."})
        used, exceeded = self._limits.spend(call.address, endpoint.weight, self._exchange.now())
        headers = {"X-MBX-USED-WEIGHT": str(used), "X-MBX-USED-WEIGHT-1M": str(used)}
        if exceeded:
            return _limited(exceeded, headers)
        try:
            return self._answered(call, endpoint, headers)
        except Refused as refused:
            return _refused(refusal(refused), headers)
        except ApiError as error:
            return _refused(error, headers)

    def _answered(self, call: Call, endpoint: Endpoint, headers: dict[str, str]) -> Answer:
        params = Params.read(call.query, call.body)
        if not endpoint.signed:
            return Answer(200, endpoint.answer(Public(self._exchange, params)), headers)
        owner = signed_account(self._exchange.ledger, call, params, self._exchange.now())
        signed = Signed(self._exchange, params, owner)
        if not endpoint.orders:
            return Answer(200, endpoint.answer(signed), headers)
        if exceeded := self._limits.order(owner.api_key, self._exchange.now()):
            return _limited(exceeded, headers)
        body = endpoint.answer(signed)
        return Answer(200, body, headers | self._ordered(owner.api_key, endpoint.orders))

    def _ordered(self, api_key: str, count: int) -> dict[str, str]:
        recent, today = self._limits.ordered(api_key, self._exchange.now(), count)
        return {"X-MBX-ORDER-COUNT-10S": str(recent), "X-MBX-ORDER-COUNT-1D": str(today)}


def _refused(error: ApiError, headers: Mapping[str, str]) -> Answer:
    return Answer(error.status, {"code": error.code, "msg": error.msg} | error.more, headers)


def _limited(exceeded: Exceeded, headers: Mapping[str, str]) -> Answer:
    told = {**headers, "Retry-After": str(exceeded.retry_after)}
    if exceeded.banned:
        said = f"Way too much request weight used; IP banned until {exceeded.until}."
        return Answer(418, {"code": -1003, "msg": f"{said} Please use WebSocket Streams to avoid bans."}, told)
    if exceeded.what == "weight":
        said = f"Too much request weight used; current limit is {exceeded.limit} request weight per 1 MINUTE."
        return Answer(429, {"code": -1003, "msg": said}, told)
    width = "10 SECOND" if exceeded.what == "orders" else "1 DAY"
    said = f"Too many new orders; current limit is {exceeded.limit} orders per {width}."
    return Answer(429, {"code": -1015, "msg": said}, told)
