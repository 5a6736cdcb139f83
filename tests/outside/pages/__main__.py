"""`python -m tests.outside.pages [--port N]`: prints its address, then serves until it is ended.

Pages: /news (a list), /edited (its first item says something else each time), /cached (ETag), /script (the list made by
JavaScript from /api), /empty (no list), /old (another charset), /moved (301 to /news), /chart.png (a picture).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

from tests.apps.sources.pictures import plain
from tests.outside.launch import serve

ITEM = """<article data-id="p-{n}"><h2><a href="/posts/{n}">Sample headline {n}{more}</a></h2>
<time datetime="2023-07-01T1{n}:00:00+02:00">a while ago</time><span class="by">desk</span>
<p>Words of <b>item</b> {n}.</p><script>var hidden = 1</script><img src="/chart.png?n={n}"></article>"""
PAGE = "<!doctype html><html><head><title>News</title></head><body><main>{items}</main></body></html>"
SCRIPT = """<!doctype html><html><body><main></main><script>
fetch("/api").then((answer) => answer.json()).then((items) => {
  for (const html of items) document.querySelector("main").insertAdjacentHTML("beforeend", html);
});</script></body></html>"""
_visits = itertools.count(1)


def news(more: str = "") -> str:
    return PAGE.format(items="".join(ITEM.format(n=n, more=more if n == 1 else "") for n in (2, 1)))


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        answer = _ANSWERS.get(self.path.partition("?")[0])
        if answer:
            answer(self)
        else:
            self._give(b"nothing here", 404)

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def _give(self, body: bytes, status: int = 200, kind: str = "text/html; charset=utf-8", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _cached(self) -> None:
        if self.headers.get("If-None-Match") == '"v1"':
            self._give(b"", 304, ETag='"v1"')
        else:
            self._give(news().encode(), ETag='"v1"')

    def _api(self) -> None:
        items = [ITEM.format(n=n, more=" by script") for n in (2, 1)]
        self._give(json.dumps(items).encode(), kind="application/json")


_ANSWERS: dict[str, Callable[[Handler], None]] = {
    "/news": lambda handler: handler._give(news().encode()),
    "/edited": lambda handler: handler._give(news(f" version {next(_visits)}").encode()),
    "/cached": Handler._cached,
    "/script": lambda handler: handler._give(SCRIPT.encode()),
    "/api": Handler._api,
    "/empty": lambda handler: handler._give(PAGE.format(items="").encode()),
    "/old": lambda handler: handler._give(news(" 样本").encode("gb18030"), kind="text/html; charset=gb2312"),
    "/moved": lambda handler: handler._give(b"", 301, Location="/news"),
    "/chart.png": lambda handler: handler._give(plain(), kind="image/png"),
}

if __name__ == "__main__":
    serve(Handler)
