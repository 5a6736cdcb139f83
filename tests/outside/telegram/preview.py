"""t.me/s over HTTP, and a door through which tests change the channels."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.outside.telegram.pages import landing, page
from tests.outside.telegram.world import World


class PreviewServer(ThreadingHTTPServer):
    """Serves one world."""

    daemon_threads = True

    def __init__(self, port: int, world: World) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.world = world

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """GET /s/<name>[?before=N], /<name>, /file/<number>.jpg; POST /control."""

    protocol_version = "HTTP/1.1"
    # Head and body in one packet: the second of two waits 40 ms for the first one's acknowledgement.
    wbufsize = -1
    server: PreviewServer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path.startswith("/file/"):
            number = parts.path.removeprefix("/file/").removesuffix(".jpg")
            self._give(self.server.world.photo_of(int(number)), kind="image/png")
            return
        self.server.world.requests.append(self.path)
        fault = self.server.world.preview_faults.popleft() if self.server.world.preview_faults else {}
        if fault.get("status"):
            self._give(b"", status=fault["status"], headers=fault.get("headers", {}))
        else:
            self._channel(parts.path, parse_qs(parts.query), fault)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._give(json.dumps(control(self.server.world, body)).encode(), kind="application/json")

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def _channel(self, path: str, query: dict[str, list[str]], fault: dict[str, Any]) -> None:
        is_preview, name = path.startswith("/s/"), path.removeprefix("/s").strip("/")
        with self.server.world.lock:
            channel = self.server.world.channels.get(name.casefold())
            target = channel.moved_to if channel and channel.moved_to else f"/{name}"
            if is_preview and (channel is None or not channel.preview or channel.moved_to):
                self._give(b"", status=302, headers={"Location": target})
                return
            before = int(query["before"][0]) if "before" in query else None
            shown = page(channel, before, self.server.address) if is_preview and channel else ""
            body = shown or (landing(channel) if channel else "<html></html>")
        for old, new in fault.get("replace", []):
            body = body.replace(old, new)
        self._give(body.encode(), cut=float(fault.get("cut", 0)), unframed=bool(fault.get("unframed")))

    def _give(
        self, body: bytes, *, status: int = 200, kind: str = "text/html; charset=utf-8",
        headers: dict[str, str] | None = None, cut: float = 0, unframed: bool = False,
    ) -> None:  # fmt: skip
        """`cut`: the share of the body that is sent before the connection ends; `unframed`: without a length, so that
        only the page itself shows that it is not whole."""
        self.send_response(status)
        for name, value in {"Content-Type": kind, **(headers or {})}.items():
            self.send_header(name, value)
        if not unframed:
            self.send_header("Content-Length", str(len(body)))
        if cut or unframed:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body[: int(len(body) * (1 - cut))])


def control(world: World, order: dict[str, Any]) -> Any:
    """One change or question: `{"do": name, ...}`."""
    fields = dict(order)
    what = fields.pop("do")
    orders: dict[str, Callable[..., Any]] = {
        "post": world.post,
        "edit": world.edit,
        "delete": world.delete,
        "channel": lambda **given: world.channel(**given).id,
        "faults": lambda at, faults: getattr(world, f"{at}_faults").extend(faults),
        "account": lambda phone, **given: world.accounts.update({phone: given}),
        "picture": lambda number, data: world.picture(number, bytes.fromhex(data)),
        "seen": lambda: {"requests": world.requests, "calls": world.calls},
        **world.doors,
    }
    return orders[what](**fields)
