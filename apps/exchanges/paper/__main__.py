"""Run the paper exchange: `python -m apps.exchanges.paper --ledger FILE [--port 9000] [--candles DIR]`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

from apps.exchanges.paper import candles
from apps.exchanges.paper.engine import Exchange
from apps.exchanges.paper.ledger import Ledger
from apps.exchanges.paper.listing import default_listings
from apps.exchanges.paper.server import doors, listen

log = logging.getLogger("paper_exchange")


def parser() -> argparse.ArgumentParser:
    """The command line, shared with `manage.py paper_exchange`."""
    options = argparse.ArgumentParser(
        prog="paper_exchange", description="An exchange with paper money, speaking Binance spot REST."
    )
    options.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    options.add_argument("--port", type=int, default=9000, help="0 takes a free one")
    options.add_argument("--ledger", type=Path, required=True, help="SQLite file; made if it is not there")
    options.add_argument(
        "--candles", type=Path, help="folder of candle files, BTCUSDT.csv: time,open,high,low,close,volume"
    )
    options.add_argument(
        "--speed", type=float, default=1.0, help="recorded seconds that pass in one second (default 1)"
    )
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
    except OSError as error:
        raise SystemExit(f"can't serve {options.host}:{options.port}: {error.strerror}") from None


async def _serve(options: argparse.Namespace) -> None:
    exchange = Exchange(Ledger(options.ledger), default_listings())
    recording = _recording(options, exchange)
    token = _token()
    if not token:
        log.warning("PAPER_EXCHANGE_TOKEN is not set: nobody can set prices or open accounts here")
    runner = await listen(doors(exchange, token), options.host, options.port)
    log.info("listening on http://%s:%s", *runner.addresses[0][:2])
    playing = asyncio.create_task(candles.play(recording, exchange.set_price, options.speed)) if recording else None
    try:
        await _stopped(playing)
    finally:
        await runner.cleanup()
        exchange.ledger.close()


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
