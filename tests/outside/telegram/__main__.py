"""`python -m tests.outside.telegram [--port N] [--mtproto-port N] [--tied]`: prints where it is as JSON, then serves.

`preview`: address of t.me/s and of POST /control; `mtproto`: host:port, `key`: the public RSA key to trust there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import threading

from tests.outside.telegram.mtproto import MtprotoServer
from tests.outside.telegram.preview import PreviewServer
from tests.outside.telegram.world import World


async def serve(port: int, mtproto_port: int, *, tied: bool) -> None:
    """Until the process is ended; a tied one also ends with whoever holds our standard input."""
    world = World()
    preview, mtproto = PreviewServer(port, world), MtprotoServer(world)
    doors = (world.forget, mtproto.end_sessions, mtproto.lose_keys, mtproto.drop_connections)
    world.doors = {door.__name__: door for door in doors}
    bound = await mtproto.start(mtproto_port)
    threading.Thread(target=preview.serve_forever, name="preview", daemon=True).start()
    told = {"preview": preview.address, "mtproto": f"127.0.0.1:{bound}", "key": mtproto.key}
    print(json.dumps(told), flush=True)  # noqa: T201
    await (asyncio.to_thread(sys.stdin.read) if tied else asyncio.Event().wait())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--mtproto-port", type=int, default=0)
    parser.add_argument("--tied", action="store_true")
    given = parser.parse_args()
    asyncio.run(serve(given.port, given.mtproto_port, tied=given.tied))
