"""What stands before every answer: the token, the endpoint's limit, and the faults that a test asked for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.outside.x.shapes import problem

WINDOW = 900.0
LIMITS = {
    "GET /2/tweets/search/recent": 450,
    "GET /2/users/:id/tweets": 10_000,
    "GET /2/tweets": 3500,
    "GET /2/tweets/:id": 450,
    "GET /2/users/by": 300,
    "GET /2/users/by/username/:username": 300,
    "GET /2/users": 300,
    "GET /2/tweets/search/stream": 50,
    "GET /2/tweets/search/stream/rules": 450,
    "POST /2/tweets/search/stream/rules": 100,
}
"""Requests of one app in 15 minutes (docs.x.com, Rate limits)."""


@dataclass
class Window:
    used: int
    ends: float


@dataclass
class Gate:
    """`limits`: endpoint to (requests, seconds); `shape` of a 429: errors, problem or bare. `faults`: each strikes
    requests whose endpoint it names (or any) `times` often, after letting `after` of them pass."""

    limits: dict[str, tuple[int, float]] = field(default_factory=dict)
    shape: str = "errors"
    revoked: set[str] = field(default_factory=set)
    faults: list[dict[str, Any]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    _windows: dict[tuple[str, str], Window] = field(default_factory=dict)

    def refusal(self, token: str, endpoint: str) -> tuple[dict[str, str], web.Response | None]:
        """The limit's headers, and the answer if it is a no."""
        if not token or token in self.revoked:
            return {}, web.json_response(problem("Unauthorized", "Unauthorized", "", status=401), status=401)
        limit, seconds = self.limits.get(endpoint, (LIMITS[endpoint], WINDOW))
        now = time.time()
        window = self._windows.get((token, endpoint))
        if window is None or window.ends <= now:
            # X's resets are whole seconds.
            window = self._windows[token, endpoint] = Window(0, float(int(now + seconds)))
        window.used += 1
        headers = {
            "x-rate-limit-limit": str(limit),
            "x-rate-limit-remaining": str(max(0, limit - window.used)),
            "x-rate-limit-reset": str(int(window.ends)),
        }
        if window.used > limit:
            return headers, self._too_many(headers)
        return headers, None

    def fault(self, endpoint: str) -> dict[str, Any] | None:
        """The fault that strikes this request, if any."""
        for fault in self.faults:
            if fault.get("endpoint", endpoint) != endpoint or fault.get("times", 1) <= 0:
                continue
            if fault.get("after", 0) > 0:
                fault["after"] -= 1
                continue
            fault["times"] = fault.get("times", 1) - 1
            return fault
        return None

    def _too_many(self, headers: Mapping[str, str]) -> web.Response:
        bodies: dict[str, Any] = {
            "errors": {"errors": [{"code": 88, "message": "Rate limit exceeded"}]},
            "problem": problem("Too Many Requests", "Too Many Requests", "", status=429),
        }
        if self.shape == "bare":
            return web.Response(text="Rate limit exceeded\n", status=429)
        return web.json_response(bodies[self.shape], status=429, headers=headers)


async def struck(request: web.Request, fault: Mapping[str, Any], body: bytes) -> web.StreamResponse:
    """What a broken server would answer instead of `body`."""
    kind = fault["kind"]
    if kind == "status":
        given = fault.get("body", "")
        text = given if isinstance(given, str) else ""
        if text == given:
            return web.Response(status=fault["status"], text=text)
        return web.json_response(given, status=fault["status"])
    if kind == "text":
        return web.Response(body=str(fault["body"]).encode(), content_type="application/json")
    if kind == "redirect":
        return web.Response(status=307, headers={"Location": fault["to"]})
    return await _partly(request, fault, body)


async def _partly(request: web.Request, fault: Mapping[str, Any], body: bytes) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
    await answer.prepare(request)
    if fault["kind"] == "half":
        await answer.write(body[: len(body) // 2])
        _cut(request)
        return answer
    for index in range(len(body)):
        await answer.write(body[index : index + 1])
        await asyncio.sleep(fault.get("seconds", 1.0))
    return answer


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()
