"""The server behind HTTP: GET /v1/models, POST /v1/chat/completions, and GET /stand-in/seen for tests."""

from __future__ import annotations

import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from tests.outside.llm.behaviours import BEHAVIOURS, error
from tests.outside.llm.validation import complaint


def handler(key: str = "") -> type[BaseHTTPRequestHandler]:
    """Serves every behaviour; `key`: what requests must bring. What was asked is kept until a test has read it."""
    seen: list[dict[str, Any]] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        body: dict[str, Any]

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path == "/stand-in/seen":
                with lock:
                    told, seen[:] = list(seen), []
                self.answer(200, told)
            elif self._is_known():
                self._models(path)

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = _object(content)
            with lock:
                seen.append({"path": self.path, "body": body, "key": self.headers.get("Authorization", "")})
            if not self._is_known():
                return
            if urlsplit(self.path).path != "/v1/chat/completions":
                self.answer(404, error(f"Invalid URL (POST {self.path})"))
            elif why := complaint(body):
                self.answer(400, error(why))
            elif body["model"] not in BEHAVIOURS:
                self.answer(404, error(f"The model `{body['model']}` does not exist", code="model_not_found"))
            else:
                self.body = body
                self._behave(body["model"])

        def _behave(self, model: str) -> None:
            try:
                BEHAVIOURS[model](self)
            except OSError:
                self.close_connection = True

        def _is_known(self) -> bool:
            given = self.headers.get("Authorization", "")
            if not key or hmac.compare_digest(given.encode(), f"Bearer {key}".encode()):
                return True
            told = given.removeprefix("Bearer ")
            self.answer(401, error(f"Incorrect API key provided: {told}.", code="invalid_api_key"))
            return False

        def _models(self, path: str) -> None:
            shown = {name: {"id": name, "object": "model", "created": 0, "owned_by": "tests"} for name in BEHAVIOURS}
            name = path.removeprefix("/v1/models").lstrip("/")
            if path == "/v1/models":
                self.answer(200, {"object": "list", "data": list(shown.values())})
            elif path.startswith("/v1/models/") and name in shown:
                self.answer(200, shown[name])
            else:
                self.answer(404, error(f"Invalid URL (GET {self.path})"))

        # --- what behaviours use (behaviours.Exchange) ---------------------------------------------------------------

        def answer(self, status: int, value: object, headers: dict[str, str] | None = None) -> None:
            self.raw(status, "application/json", json.dumps(value, ensure_ascii=False).encode(), headers)

        def raw(self, status: int, kind: str, content: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def begin(self, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()

        def piece(self, content: bytes) -> None:
            self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
            self.wfile.flush()

        def end(self) -> None:
            self.wfile.write(b"0\r\n\r\n")

        def hang_up(self) -> None:
            self.close_connection = True

        def wait(self, seconds: float) -> None:
            """Until the other side hangs up, `seconds` at most."""
            self.connection.settimeout(seconds)
            try:
                if self.connection.recv(1) == b"":
                    raise ConnectionResetError
            except TimeoutError:
                time.sleep(0)
            finally:
                self.connection.settimeout(None)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Nothing: tests look at what was seen."""

    return Handler


def _object(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
