"""`python -m tests.outside.feeds [--port N]`: prints its address, then serves until it is ended.

Feeds: /news (two entries), /recordings/<file>, /edited (another text at each GET), /cached (ETag, Last-Modified), /gone
(410), /wait (429 with Retry-After), /moved (301 to /news), /away (302 to /news), /bomb (entities), /huge (50 MB).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.outside.launch import serve

RECORDINGS = Path(__file__).parent / "recordings"
NEWS = """<rss version="2.0"><channel><title>Sample news</title>
<item><guid isPermaLink="false">n-1</guid><title>First</title><pubDate>Sat, 01 Jul 2023 14:00:00 GMT</pubDate></item>
<item><guid isPermaLink="false">n-2</guid><title>Second{}</title><pubDate>Sat, 01 Jul 2023 15:00:00 GMT</pubDate></item>
</channel></rss>"""
_LEVELS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BOMB = f'<?xml version="1.0"?><!DOCTYPE b [<!ENTITY l0 "boom">{_LEVELS}]>' + NEWS.format(" &l9;")
HUGE_MEGABYTES = 50
_visits = itertools.count(1)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        recording = RECORDINGS / Path(self.path).name
        if self.path.startswith("/recordings/") and recording.is_file():
            self._give(recording.read_bytes())
        else:
            _ANSWERS.get(self.path.partition("?")[0], lambda handler: handler._give(b"", 404))(self)

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def _give(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/xml", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _cached(self) -> None:
        if self.headers.get("If-None-Match") == '"v1"':
            self._give(b"", 304, ETag='"v1"')
        else:
            self._give(NEWS.format("").encode(), ETag='"v1"', Last_Modified="Sat, 01 Jul 2023 15:00:00 GMT")

    def _huge(self) -> None:
        # Without a length: the reader must count for itself.
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        piece = b"<item><title>again</title></item>" * 31_776
        try:
            for _ in range(HUGE_MEGABYTES):
                self.wfile.write(piece)
        except (BrokenPipeError, ConnectionResetError):
            return


_ANSWERS: dict[str, Callable[[Handler], None]] = {
    "/news": lambda handler: handler._give(NEWS.format("").encode()),
    "/edited": lambda handler: handler._give(NEWS.format(f" in version {next(_visits)}").encode()),
    "/cached": Handler._cached,
    "/gone": lambda handler: handler._give(b"", 410),
    "/wait": lambda handler: handler._give(b"", 429, Retry_After="1200"),
    "/moved": lambda handler: handler._give(b"", 301, Location="/news"),
    "/away": lambda handler: handler._give(b"", 302, Location="/news"),
    "/bomb": lambda handler: handler._give(BOMB.encode()),
    "/huge": Handler._huge,
}


if __name__ == "__main__":
    serve(Handler)
