"""One Binance request from bytes to answer: find the endpoint, prove the account, count the weight, map refusals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.exchanges.paper.binance.auth import signed_account
from apps.exchanges.paper.binance.endpoints import ENDPOINTS, Endpoint, Public, Signed
from apps.exchanges.paper.binance.errors import ApiError, refusal
from apps.exchanges.paper.binance.params import Params
from apps.exchanges.paper.engine import Exchange
from apps.exchanges.paper.trade import Refused
from apps.exchanges.paper.usage import Usage
from apps.exchanges.paper.wire import Answer, Call

PREFIXES = ("/api/", "/sapi/")
_MINUTE_MS = 60_000
_TEN_SECONDS_MS = 10_000


class BinanceDialect:
    """Binance spot, REST."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._weight = Usage(_MINUTE_MS)
        self._orders = Usage(_TEN_SECONDS_MS)

    def answer(self, call: Call) -> Answer:
        """Always an answer: errors are `{"code", "msg"}` with Binance's status."""
        endpoint = ENDPOINTS.get((call.method, call.path))
        if endpoint is None:
            return Answer(404, {"code": -1020, "msg": "This operation is not supported."})
        try:
            return self._answered(call, endpoint)
        except Refused as refused:
            return self._refused(call, endpoint, refusal(refused))
        except ApiError as error:
            return self._refused(call, endpoint, error)

    def _answered(self, call: Call, endpoint: Endpoint) -> Answer:
        params = Params.read(call.query, call.body)
        if not endpoint.signed:
            return Answer(200, endpoint.answer(Public(self._exchange, params)), self._used(call, endpoint))
        owner = signed_account(self._exchange.ledger, call, params, self._exchange.now())
        body = endpoint.answer(Signed(self._exchange, params, owner))
        return Answer(200, body, self._used(call, endpoint, owner.api_key))

    def _refused(self, call: Call, endpoint: Endpoint, error: ApiError) -> Answer:
        return Answer(error.status, {"code": error.code, "msg": error.msg}, self._used(call, endpoint))

    def _used(self, call: Call, endpoint: Endpoint, owner: str = "") -> Mapping[str, Any]:
        now = self._exchange.now()
        weight = str(self._weight.add(call.address, endpoint.weight, now))
        headers = {"X-MBX-USED-WEIGHT": weight, "X-MBX-USED-WEIGHT-1M": weight}
        if endpoint.order and owner:
            headers["X-MBX-ORDER-COUNT-10S"] = str(self._orders.add(owner, 1, now))
        return headers
