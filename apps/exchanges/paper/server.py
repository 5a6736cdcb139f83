"""The web server around the exchange: raw requests go to the dialect their path belongs to, through the faults."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
from aiohttp import web

from apps.exchanges.paper import faults, operator
from apps.exchanges.paper.binance import dialect as binance
from apps.exchanges.paper.binance import sockets
from apps.exchanges.paper.engine import Exchange
from apps.exchanges.paper.faults import Faults, Kind, Rule
from apps.exchanges.paper.limits import Limits
from apps.exchanges.paper.okx import dialect as okx
from apps.exchanges.paper.okx import sockets as okx_sockets
from apps.exchanges.paper.wire import Answer, Call

_encode = msgspec.json.Encoder().encode
_SHUTDOWN_S = 2.0


class Door(Protocol):
    """Something that answers a part of the paths. Must not block: the exchange lives in one event loop."""

    def answer(self, call: Call) -> Answer: ...


class Socket(Protocol):
    """Something that holds websocket connections of a part of the paths."""

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse: ...

    def drop(self, account: str = "") -> int: ...


class House:
    """Everything that listens: doors and sockets by path prefix, and the faults in front of them."""

    def __init__(self, exchange: Exchange, token: str, limits: Limits | None = None) -> None:
        self.exchange = exchange
        self.faults = Faults()
        self.limits = limits or Limits()
        spot = binance.BinanceDialect(exchange, self.limits)
        # The longer prefix first: /api/v5/ is OKX's, the rest of /api/ is Binance's.
        self.doors: dict[str, Door] = dict.fromkeys(okx.PREFIXES, okx.OkxDialect(exchange, self.limits))
        self.doors |= dict.fromkeys(binance.PREFIXES, spot)
        streams = sockets.BinanceSockets(exchange, self.faults)
        self.sockets: dict[str, Socket] = dict.fromkeys(
            okx_sockets.PREFIXES, okx_sockets.OkxSockets(exchange, self.faults)
        )
        self.sockets |= dict.fromkeys(sockets.PREFIXES, streams)
        if token:
            side_door = operator.Operator(exchange, token, self.faults, self.limits, self.drop)
            self.doors |= dict.fromkeys(operator.PREFIXES, side_door)

    def drop(self, account: str = "") -> int:
        """Cut websocket connections, of one account (API key) or all. Returns how many."""
        return sum(one.drop(account) for one in {id(it): it for it in self.sockets.values()}.values())

    def answer(self, call: Call) -> Answer:
        for prefix, door in self.doors.items():
            if call.path.startswith(prefix):
                return door.answer(call)
        return Answer(404, {"error": f"nothing answers {call.path}"})

    def socket(self, path: str) -> Socket | None:
        return next((one for prefix, one in self.sockets.items() if path.startswith(prefix)), None)


async def listen(house: House, host: str, port: int) -> web.ServerRunner:
    """Serve until the runner's cleanup() is awaited. `port` 0 takes a free one (see `runner.addresses`)."""
    runner = web.ServerRunner(
        web.Server(_handler(house), access_log=None), handle_signals=False, shutdown_timeout=_SHUTDOWN_S
    )
    await runner.setup()
    await web.TCPSite(runner, host, port, backlog=1024).start()
    return runner


def _handler(house: House) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if "Upgrade" in request.headers and (socket := house.socket(request.path)):
            return await socket.serve(request)
        call = await _call(request)
        rule = None if call.path.startswith(operator.PREFIXES) else house.faults.on_call(call, house.exchange.now())
        return await _faulted(house, rule, call, request) if rule else _response(house.answer(call))

    return handle


async def _faulted(house: House, rule: Rule, call: Call, request: web.BaseRequest) -> web.Response:
    await asyncio.sleep(rule.wait_ms / 1000)
    told = _accepted(house, rule, call) if rule.kind.accepts else None
    await asyncio.sleep(rule.answer_ms / 1000)
    if rule.kind in {Kind.DROP_BEFORE, Kind.DROP_AFTER} and request.transport:
        request.transport.abort()
    if told is None or rule.kind in {Kind.ERROR_AFTER, Kind.TIMEOUT_AFTER}:
        told = faults.answer(rule, call.path)
    return _response(told)


def _accepted(house: House, rule: Rule, call: Call) -> Answer:
    if rule.kind is not Kind.FILL_LATER:
        return house.answer(call)
    with house.exchange.fills_held() as held:
        told = house.answer(call)
    if rule.fill_ms >= 0 and held:
        asyncio.get_running_loop().call_later(rule.fill_ms / 1000, house.exchange.release, held)
    return told


async def _call(request: web.BaseRequest) -> Call:
    body = (await request.read()).decode("utf-8", "replace") if request.can_read_body else ""
    return Call(
        method=request.method,
        path=request.rel_url.path,
        query=request.raw_path.partition("?")[2],
        body=body,
        headers=request.headers,
        address=request.remote or "",
    )


def _response(answer: Answer) -> web.Response:
    return web.Response(
        status=answer.status,
        body=_encode(answer.body),
        headers=answer.headers,
        content_type="application/json",
        charset="utf-8",
    )
