"""Run the paper exchange: `python -m apps.exchanges.paper --ledger FILE [--port 9000] [--candles DIR]`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from apps.exchanges.paper import candles, depth, fields
from apps.exchanges.paper.book import Book
from apps.exchanges.paper.clock import Clock
from apps.exchanges.paper.engine import Exchange
from apps.exchanges.paper.ledger import Ledger
from apps.exchanges.paper.limits import Limits
from apps.exchanges.paper.listing import default_listings
from apps.exchanges.paper.operator import HELP
from apps.exchanges.paper.server import House, listen

log = logging.getLogger("paper_exchange")


def parser() -> argparse.ArgumentParser:
    """The command line, shared with `manage.py paper_exchange`."""
    options = argparse.ArgumentParser(
        prog="paper_exchange",
        description="An exchange with paper money, speaking Binance spot and OKX v5 spot: REST and websockets.",
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    options.add_argument("--port", type=int, default=9000, help="0 takes a free one")
    options.add_argument("--ledger", type=Path, required=True, help="SQLite file; made if it is not there")
    options.add_argument(
        "--candles", type=Path, help="folder of candle files, BTCUSDT.csv: time,open,high,low,close,volume"
    )
    options.add_argument(
        "--depth", type=Path, help='folder of books, BTCUSDT.json: {"bids": [[price, qty], ...], "asks": [...]}'
    )
    options.add_argument(
        "--speed", type=float, default=1.0, help="recorded seconds that pass in one second (default 1)"
    )
    options.add_argument("--clock", help="a time to begin at, ISO 8601 (default: now); it goes on from there")
    limits = Limits()
    options.add_argument("--weight-limit", type=int, default=limits.weight, help="request weight per address, minute")
    options.add_argument("--order-limit", type=int, default=limits.orders, help="orders per account in ten seconds")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Blocks until SIGTERM or SIGINT."""
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    if options.speed <= 0:
        raise SystemExit("--speed must be above zero")
    try:
        asyncio.run(_serve(options))
    except candles.BadCandles as error:
        raise SystemExit(f"--candles: {error}") from None
    except depth.BadDepth as error:
        raise SystemExit(f"--depth: {error}") from None
    except fields.BadField as error:
        raise SystemExit(f"--{error}") from None
    except OSError as error:
        raise SystemExit(f"can't serve {options.host}:{options.port}: {error.strerror}") from None


async def _serve(options: argparse.Namespace) -> None:
    exchange = Exchange(Ledger(options.ledger), default_listings(), _clock(options))
    for symbol, book in _books(options, exchange).items():
        exchange.set_book(symbol, book)
    recording = _recording(options, exchange)
    token = _token()
    if not token:
        log.warning("PAPER_EXCHANGE_TOKEN is not set: nobody can set prices or open accounts here")
    limits = Limits(weight=options.weight_limit, orders=options.order_limit)
    runner = await listen(House(exchange, token, limits), options.host, options.port)
    log.info("listening on http://%s:%s", *runner.addresses[0][:2])
    playing = asyncio.create_task(candles.play(recording, exchange.set_price, options.speed)) if recording else None
    try:
        await _stopped(playing)
    finally:
        await runner.cleanup()
        exchange.ledger.close()


def _clock(options: argparse.Namespace) -> Clock:
    clock = Clock()
    if options.clock:
        clock.set(fields.moment({"clock": options.clock}, "clock"))
    return clock


def _books(options: argparse.Namespace, exchange: Exchange) -> Mapping[str, Book]:
    return depth.files(options.depth, exchange.listings) if options.depth else {}


def _recording(options: argparse.Namespace, exchange: Exchange) -> Iterator[candles.Move] | None:
    return candles.moves(candles.files(options.candles, exchange.listings)) if options.candles else None


async def _stopped(playing: asyncio.Task[None] | None) -> None:
    """Wait for a signal; a recording that can't be read ends the process with its reason."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    stopped = asyncio.create_task(stop.wait())
    if playing:
        await asyncio.wait({stopped, playing}, return_when=asyncio.FIRST_COMPLETED)
        if playing.done():
            playing.result()
        playing.cancel() if stopped.done() else None
    await stopped


def _token() -> str:
    """PAPER_EXCHANGE_TOKEN, or the content of the file named by PAPER_EXCHANGE_TOKEN_FILE."""
    file = os.environ.get("PAPER_EXCHANGE_TOKEN_FILE")
    return os.environ.get("PAPER_EXCHANGE_TOKEN") or (Path(file).read_text().strip() if file else "")


if __name__ == "__main__":
    main()
