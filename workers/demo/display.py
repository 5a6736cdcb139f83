"""Shows the demo while it plays: a live board on a terminal, plain lines anywhere else, and the table at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from workers.demo.script import Beat
from workers.demo.story import Row, shortened
from workers.ingest import Progress

BAR_WIDTH = 24
RECENT = 8
PLAIN_WIDTH = 168
"""Columns for output that is no terminal, so that a log file holds the whole table."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """One line of the board."""

    label: str
    value: int
    colour: str


def gauges(now: Progress, played: int) -> tuple[Gauge, ...]:
    """The counts of the board, in the order of a post's way."""
    return (
        Gauge("played", played, "white"),
        Gauge("cleaned", now.posts, "cyan"),
        Gauge("duplicates", now.duplicates, "yellow"),
        Gauge("judged", now.analysed, "cyan"),
        Gauge("signals to trade", now.signals, "magenta"),
        Gauge("commands", now.commands, "magenta"),
        Gauge("denied", now.denied, "yellow"),
        Gauge("entries and exits", now.orders, "blue"),
        Gauge("entries and exits filled", now.filled, "green"),
        Gauge("dead letters", now.dead_lettered, "red"),
    )


def as_line(now: Progress, played: int) -> str:
    """The board in one line."""
    return "  ".join(f"{gauge.label} {gauge.value}" for gauge in gauges(now, played))


class Board:
    """A context manager that follows the player (a `Watcher`). `total`: how many posts there are, `played`: how many of
    them an earlier run published."""

    def __init__(self, console: Console, total: int, played: int = 0) -> None:
        self._console = console
        self._total = max(1, total)
        self._played = played
        self._now = Progress()
        self._recent: list[str] = []
        self._said = ""
        self._live = Live(console=console, refresh_per_second=8, transient=True) if console.is_terminal else None

    def __enter__(self) -> Board:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def post(self, beat: Beat) -> None:
        """A post is about to be published."""
        self._played += 1
        line = headline(beat)
        self._recent = [*self._recent, line][-RECENT:]
        if self._live is None:
            self._console.print(f"> {line}", markup=False, highlight=False)
        self._draw()

    def progress(self, now: Progress) -> None:
        """The pipeline's counts have been read."""
        self._now = now
        self._draw()

    def _draw(self) -> None:
        if self._live:
            self._live.update(self._picture())
            return
        line = as_line(self._now, self._played)
        if line != self._said:
            self._said = line
            self._console.print(f"  {line}", markup=False, highlight=False)

    def _picture(self) -> RenderableType:
        grid = Table.grid(padding=(0, 1))
        for gauge in gauges(self._now, self._played):
            full = min(BAR_WIDTH, round(BAR_WIDTH * gauge.value / self._total))
            bar = Text("█" * full, style=gauge.colour) + Text("·" * (BAR_WIDTH - full), style="dim")
            grid.add_row(gauge.label, bar, str(gauge.value))
        return Group(*(Text(line, overflow="ellipsis", no_wrap=True) for line in self._recent), Text(), grid)


def headline(beat: Beat) -> str:
    """A post in one line: when, where, who and how it begins."""
    message = beat.message
    picture = " [picture]" if message.media_urls else ""
    when = f"{beat.moment} | " if beat.moment else ""
    return f"{when}{message.source} {message.channel or '@' + message.author}{picture}: {shortened(message.data, 70)}"


def result_table(rows: Sequence[Row], now: datetime) -> Table:
    """Post, signal, strategy, order, fill."""
    table = Table(title=f"What became of each post ({now:%Y-%m-%d %H:%M} UTC)", title_justify="left")
    for heading, ratio in (("post", 5), ("signal", 3), ("strategy", 2), ("order", 4), ("fill, or why not", 5)):
        table.add_column(heading, ratio=ratio, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, (row.post, row.signal, row.strategy, row.order, row.fill)))
    return table


def console(stream: object, *, terminal: bool) -> Console:
    """A rich console on `stream`."""
    return Console(file=stream, force_terminal=terminal, width=None if terminal else PLAIN_WIDTH)  # type: ignore[arg-type]
