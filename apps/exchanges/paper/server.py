"""The web server around the exchange: one handler that hands raw requests to the dialect their path belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec
from aiohttp import web

from apps.exchanges.paper import operator
from apps.exchanges.paper.binance import dialect as binance
from apps.exchanges.paper.engine import Exchange
from apps.exchanges.paper.wire import Answer, Call

_encode = msgspec.json.Encoder().encode


class Door(Protocol):
    """Something that answers a part of the paths. Must not block: the exchange lives in one event loop."""

    def answer(self, call: Call) -> Answer: ...


def doors(exchange: Exchange, token: str) -> Mapping[str, Door]:
    """What answers, by path prefix. Without a token there is no operator's side-door."""
    spot = binance.BinanceDialect(exchange)
    found: dict[str, Door] = dict.fromkeys(binance.PREFIXES, spot)
    if token:
        found |= dict.fromkeys(operator.PREFIXES, operator.Operator(exchange, token))
    return found


async def listen(answering: Mapping[str, Door], host: str, port: int) -> web.ServerRunner:
    """Serve until the runner's cleanup() is awaited. `port` 0 takes a free one (see `runner.addresses`)."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return _response(_answer(answering, await _call(request)))

    runner = web.ServerRunner(web.Server(handle, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, host, port, backlog=1024).start()
    return runner


def _answer(answering: Mapping[str, Door], call: Call) -> Answer:
    for prefix, door in answering.items():
        if call.path.startswith(prefix):
            return door.answer(call)
    return Answer(404, {"error": f"nothing answers {call.path}"})


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
