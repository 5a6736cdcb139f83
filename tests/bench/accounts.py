"""How much memory a hundred accounts of one venue take more than one: `python -m tests.bench.accounts FOLDER`.

FOLDER holds a recorded exchangeInfo; a server of our own hands it out, as the venue would. Prints JSON.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ACCOUNTS = 100


@contextmanager
def served(body: bytes) -> Iterator[str]:
    """The address of a server that answers every request with `body`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: a hundred lines would hide the answer."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def mib() -> float:
    """This process's own memory now."""
    gc.collect()
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def main() -> None:
    """Connect one account, then a hundred, and say what came on top."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradebot.settings")
    import django

    django.setup()
    from apps.exchanges.adapters import connect
    from apps.exchanges.selectors import VenueInfo

    with served((Path(sys.argv[1]) / "exchangeInfo.data.json").read_bytes()) as address:
        venue = VenueInfo("recorded", "binance", address)
        first = connect(venue, "key-0", "secret-0")
        markets = len(first.markets())
        before = mib()
        others = [connect(venue, f"key-{number}", f"secret-{number}") for number in range(1, ACCOUNTS)]
        listed = {len(account.markets()) for account in others}
        more = mib() - before
    assert listed == {markets}
    json.dump({"markets": markets, "more_mib": round(more, 2)}, sys.stdout)


if __name__ == "__main__":
    main()
