"""`manage.py demo`: plays the sample posts through the running stack and tells what became of each."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console

from apps.accounts.selectors import PAPER
from apps.exchanges.adapters import paper_admin
from apps.exchanges.adapters.snapshots import forget_marks
from apps.sources import selectors as sources
from apps.sources.domain.identity import post_id
from tradebot.contracts.errors import TradebotError
from tradebot.contracts.messages import CrawlerMessage
from tradebot.contracts.values import Pair
from tradebot.env import VAR_DIR, run_file
from workers import ingest
from workers.demo import cast, display, reads, story
from workers.demo.player import Player
from workers.demo.script import Beat, load

GUARD_SECONDS = 20.0
"""More than one round of the reconciler, which places what the sale itself could not."""


class Command(BaseCommand):
    help = (
        "Create the demo trader and its two strategies, play the sample posts, and print what became of each. "
        "Run again, it repeats nothing and prints the same table. Fails unless every expected order is filled."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--speed", type=float, default=1.0, help="2 plays twice as fast, 0 without pauses (default 1)"
        )
        parser.add_argument(
            "--timeout", type=float, default=600, help="seconds to wait for the last post (default 600)"
        )
        parser.add_argument("--no-addresses", action="store_true", help="do not say at the end where to look")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["speed"] < 0:
            raise CommandError("--speed must be 0 or more")
        console = display.console(sys.stdout, terminal=sys.stdout.isatty())
        try:
            chapters = self._perform(console, options)
        except TradebotError as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            raise CommandError("stopped; run it again to go on from here", returncode=130) from None
        console.print(display.result_table(story.rows(chapters), datetime.now(UTC)))
        if not options["no_addresses"]:
            self._where(console)
        self._judge(console, chapters)

    def _perform(self, console: Console, options: dict[str, Any]) -> list[story.Chapter]:
        cast.assemble()
        beats = load(datetime.now(UTC))
        self._play(console, beats, options)
        return _ended(beats)

    def _play(self, console: Console, beats: Sequence[Beat], options: dict[str, Any]) -> None:
        known = _known(beats)
        if len(known) == len(beats):
            console.print("An earlier run played these posts: nothing is repeated.")
        pipeline = LivePipeline(options["timeout"])
        try:
            with display.Board(console, len(beats), len(known)) as board:
                Player(pipeline, board, options["speed"]).play(beats, known)
        except TimeoutError as error:
            console.print(f"Gave up waiting: {error}", markup=False)

    def _where(self, console: Console) -> None:
        """Addresses without their credentials, and the file that holds the password, never the password."""
        run, secrets = run_file(), VAR_DIR / "secrets"
        if not run:
            return
        lines = (
            ("admin", f"{run['web']}/admin/", f"user admin, password in {secrets / 'ADMIN_PASSWORD'}"),
            ("API docs", f"{run['web']}/api/docs/", "a token: manage.py trader NAME --deposit USDT=10000"),
            ("Flower", run["flower"], f"user admin, password in {secrets / 'FLOWER_PASSWORD'}"),
        )
        for name, address, hint in lines:
            console.print(f"{name:9} {address}  ({hint})", markup=False, highlight=False, soft_wrap=True)

    def _judge(self, console: Console, chapters: Sequence[story.Chapter]) -> None:
        console.print(story.total(chapters), markup=False, highlight=False)
        lacking, strange = story.unfulfilled(chapters), story.uninvited(chapters)
        if lacking:
            raise CommandError(f"missing: {'; '.join(lacking)}")
        if strange:
            raise CommandError(f"not expected: {'; '.join(strange)}")


class LivePipeline:
    """The running stack, as the player sees it."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout

    def set_price(self, pair: str, price: Decimal) -> None:
        paper_admin.set_price(pair, price)
        # History jumps from year to year: to whoever posts next that would look like a pump.
        forget_marks(PAPER, Pair.parse(pair))

    def publish(self, messages: Sequence[CrawlerMessage]) -> None:
        ingest.publish(messages)

    def progress(self, messages: Sequence[CrawlerMessage]) -> ingest.Progress:
        return ingest.progress(messages)

    def wait(self, messages: Sequence[CrawlerMessage], show: Callable[[ingest.Progress], None]) -> ingest.Progress:
        return ingest.wait(messages, timeout=self._timeout, on_progress=show)


def _ended(beats: Sequence[Beat]) -> list[story.Chapter]:
    """What became of the posts; an order that protects is placed a moment after the sale that it follows."""
    deadline = time.monotonic() + GUARD_SECONDS
    while story.unfulfilled(chapters := reads.chapters(beats)) and time.monotonic() < deadline:
        time.sleep(ingest.POLL_SECONDS)
    return chapters


def _known(beats: Sequence[Beat]) -> set[str]:
    """Roots of the posts that an earlier run played: their row is there, be it as another line's duplicate."""
    stored = sources.sightings([post_id(beat.message) for beat in beats])
    return {beat.message.root_id for beat in beats if post_id(beat.message) in stored}
