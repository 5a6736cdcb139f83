"""Stand-ins as processes of their own: how one serves, and how a test starts and ends it."""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


def serve(handler: type[BaseHTTPRequestHandler]) -> None:
    """Serve on loopback (`--port`, default a free one), print the address, and end with the process; with `--tied`
    also when whoever holds our standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tied", action="store_true")
    options = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", options.port), handler)
    server.daemon_threads = True
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)  # noqa: T201
    threading.Thread(target=server.serve_forever, daemon=True).start()
    if options.tied:
        sys.stdin.read()
    else:
        threading.Event().wait()


@contextmanager
def launched(name: str, *arguments: str) -> Iterator[str]:
    """The first line that `python -m tests.outside.<name>` prints (its address), for as long as the block runs."""
    command = [sys.executable, "-m", f"tests.outside.{name}", "--tied", *arguments]
    with subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
