"""`python -m tests.outside.hostile`: prints its ports as JSON; a line on standard input is answered with the canary's
counts; it ends with its standard input.

Pages: /redirect?to=URL&status=N, /refresh?to=URL (header), /meta?to=URL, /raw?location=TEXT (as it stands), /attack (a
page whose scripts try every way to the canary, then shows `.done`), /hang (a script without end), /late (made by a
script), /big (a script that fills the page), /slow (never answers).
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

ATTACK = (Path(__file__).parent / "attack.html").read_text()
WANTED_PORTS = (0, 80, 443)
"""80 and 443 are the only ports that the guard opens to strangers; taken where this machine lets us."""


class Canary:
    """Listens on every address of this machine, and counts."""

    def __init__(self) -> None:
        self.tcp = 0
        self.udp = 0
        self.ways: set[str] = set()
        self.ports = [port for wanted in WANTED_PORTS if (port := self._listen(wanted))]
        self.udp_port = self._listen_udp()

    def _listen(self, wanted: int) -> int:
        try:
            server = socket.create_server(("::", wanted), family=socket.AF_INET6, dualstack_ipv6=True)
        except OSError:
            return 0
        threading.Thread(target=self._accept, args=(server,), daemon=True).start()
        return int(server.getsockname()[1])

    def _listen_udp(self) -> int:
        server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(("::", 0))
        threading.Thread(target=self._receive, args=(server,), daemon=True).start()
        return int(server.getsockname()[1])

    def _accept(self, server: socket.socket) -> None:
        while True:
            client, _ = server.accept()
            self.tcp += 1
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with client:
            client.settimeout(2)
            try:
                words = client.recv(200).decode("latin-1").split()
                self.ways |= {word.rpartition("-")[2] for word in words[1:2] if word.startswith("/")}
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\ninside")
            except OSError:
                return

    def _receive(self, server: socket.socket) -> None:
        while True:
            server.recvfrom(2048)
            self.udp += 1

    def counts(self) -> dict[str, object]:
        return {"tcp": self.tcp, "udp": self.udp, "ways": sorted(self.ways)}


class Pages(BaseHTTPRequestHandler):
    canary: Canary

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        given = {name: values[0] for name, values in parse_qs(parts.query).items()}
        page = getattr(self, f"page_{parts.path.strip('/')}", None)
        if page is None:
            self._give("nothing here", 404)
        else:
            page(given)

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def page_redirect(self, given: dict[str, str]) -> None:
        self._give("", int(given.get("status", "302")), Location=given["to"])

    def page_raw(self, given: dict[str, str]) -> None:
        self.wfile.write(f"HTTP/1.1 302 Found\r\nLocation: {given['location']}\r\nContent-Length: 0\r\n\r\n".encode())

    def page_refresh(self, given: dict[str, str]) -> None:
        self._give("<p class=done>here</p>", Refresh=f"0; url={given['to']}")

    def page_meta(self, given: dict[str, str]) -> None:
        self._give(f'<meta http-equiv="refresh" content="0; url={escape(given["to"])}"><p class=done>here</p>')

    def page_attack(self, given: dict[str, str]) -> None:
        facts = {"ports": self.canary.ports, "udp": self.canary.udp_port, "names": given.get("names", "").split()}
        self._give(ATTACK.replace("__FACTS__", json.dumps(facts)))

    def page_worker(self, _: dict[str, str]) -> None:
        script = "onmessage = (e) => { for (const u of e.data) { fetch(u, {mode: 'no-cors'}).catch(() => 0) } }"
        self._give(script, kind="text/javascript")

    def page_hang(self, _: dict[str, str]) -> None:
        self._give("<script>while (true) {}</script>")

    def page_late(self, _: dict[str, str]) -> None:
        self._give("<script>setTimeout(() => document.body.innerHTML = '<p class=x>made</p>', 200)</script>")

    def page_big(self, _: dict[str, str]) -> None:
        self._give("<body><script>document.body.append('x '.repeat(1000000))</script><p class=x>big</p>")

    def page_slow(self, _: dict[str, str]) -> None:
        threading.Event().wait(60)

    def _give(self, body: str, status: int = 200, kind: str = "text/html", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body.encode())), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())


def main() -> None:
    Pages.canary = Canary()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _say({"web": server.server_address[1], "canary": Pages.canary.ports, "udp": Pages.canary.udp_port})
    for _ in sys.stdin:
        _say(Pages.canary.counts())


def _say(facts: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
