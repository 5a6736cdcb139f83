"""`python -m tests.outside.x --port 0`: prints one JSON line with its port once it answers, and runs until ended."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

from aiohttp import web

from tests.outside.x.control import Control
from tests.outside.x.recorded import recordings
from tests.outside.x.server import X


async def serve(options: argparse.Namespace) -> None:
    """On loopback only."""
    known = recordings(options.cassettes) if options.cassettes else []
    x = X(keep_alive=options.keep_alive, query_length=options.query_length, recordings=known)
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.add_routes([*Control(x).routes(), *x.routes()])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", options.port)
    await site.start()
    json.dump({"port": runner.addresses[0][1]}, sys.stdout)
    sys.stdout.write("\n")
    sys.stdout.flush()
    await (asyncio.to_thread(sys.stdin.read) if options.tied else asyncio.Event().wait())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.outside.x", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--keep-alive", type=float, default=20.0, help="seconds between a stream's empty lines")
    parser.add_argument("--query-length", type=int, default=512)
    parser.add_argument("--tied", action="store_true", help="end with whoever holds our standard input")
    parser.add_argument("--cassettes", type=Path, help="folder with recorded answers, replayed where they fit")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
