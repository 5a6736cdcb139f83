"""A local HTTP server that answers as an exchange was recorded, and can fail in the ways exchanges do."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

AGE_SECONDS = 60
"""How long before the answer the recorded orders were made."""


class Turns(list[Any]):
    """Answers to be given one by one, the last one for ever. (A plain list is one answer.)"""


class Replay:
    """`routes`: answers by `METHOD /path`. `fault`: what happens
    to POSTs instead: "hang" (never answered), "cut" (hung up), or an HTTP status."""

    def __init__(self) -> None:
        self.routes: dict[str, Any] = {}
        self.fault: str | int | None = None
        self.asked: list[str] = []
        self._over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def running(self) -> Iterator[Replay]:
        self._thread.start()
        try:
            yield self
        finally:
            self._over.set()
            self._server.shutdown()
            self._server.server_close()

    def play(self, routes: Mapping[str, Any]) -> None:
        """Answer these from now on, beside those that are known."""
        self.routes = {**self.routes, **routes}
        self.asked.clear()

    def answer(self, route: str) -> tuple[int, bytes]:
        """Status and body of one request."""
        self.asked.append(route)
        told = self.routes.get(route)
        if isinstance(told, Turns):
            told = told.pop(0) if len(told) > 1 else told[0]
        if told is None:
            return 404, json.dumps({"error": f"no recording of {route}"}).encode()
        status, body = (told["status"], told["body"]) if _with_status(told) else (200, told)
        return status, _dated(json.dumps(body)).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        replay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _reply(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fault = replay.fault if self.command == "POST" else None
                if fault == "hang":
                    replay._over.wait(10)
                if fault in ("hang", "cut"):
                    self.close_connection = True
                    return
                route = f"{self.command} {urlsplit(self.path).path}"
                status, body = (fault, b"{}") if isinstance(fault, int) else replay.answer(route)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                if status == 429:
                    self.send_header("Retry-After", "7")
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_DELETE = _reply  # noqa: N815 - names that http.server looks for

            def log_message(self, *_: object) -> None:
                """Nothing: the tests say what went wrong."""

        return Handler


def _with_status(told: Any) -> bool:
    return isinstance(told, dict) and set(told) == {"status", "body"}


def _dated(text: str) -> str:
    """The marks @ms, @s and @iso become a moment shortly before now."""
    at = time.time() - AGE_SECONDS
    iso = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    marks = {'"@ms"': f'"{int(at * 1000)}"', '"@s"': f"{at:.4f}", '"@iso"': f'"{iso}"'}
    for mark, moment in marks.items():
        text = text.replace(mark, moment)
    return text
