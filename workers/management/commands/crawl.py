"""`manage.py crawl`: lists what is watched, or crawls one source by hand and prints what came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from time import sleep
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table
from rich.text import Text

from apps.sources import selectors
from apps.sources.adapters.registry import without_secrets
from apps.sources.domain.clean import visible
from apps.sources.selectors import SourceStatus
from tradebot.contracts.messages import CrawlerMessage, to_wire
from workers import publisher
from workers.crawl import session
from workers.crawl.intake import PluginFailed
from workers.crawl.session import Report

_NARROW = 100
Show = Callable[[Sequence[CrawlerMessage]], None]


class Command(BaseCommand):
    help = (
        "Without SOURCE: list the sources and how they stand. With SOURCE: crawl it now and again at its interval, "
        "until interrupted, and print the new messages. Exit code 1 when a single crawl failed, was throttled, or "
        "another node fetches the source just now."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", nargs="?", metavar="SOURCE", help="name of a source")
        parser.add_argument("--once", action="store_true", help="crawl once")
        parser.add_argument(
            "--dry-run", action="store_true", help="fetch once and print; publish nothing and remember nothing"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object a line instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["source"]:
            self._list(as_json=options["json"])
            return
        source = selectors.source(options["source"])
        if source is None:
            raise CommandError(_unknown(options["source"]))
        show = self._lines if options["json"] else self._table
        if options["dry_run"]:
            self._preview(source, show)
        elif options["once"]:
            self._told(_crawl(source.name, show))
        else:
            self._go_on(source, show)

    def _preview(self, source: selectors.SourceView, show: Show) -> None:
        try:
            report = session.preview(source, show)
        except PluginFailed as failure:
            raise CommandError(f"{source.name}: {without_secrets(source, failure.reason)}") from None
        self._told(report, "would be new of")

    def _go_on(self, source: selectors.SourceView, show: Show) -> None:
        try:
            while True:
                report = _crawl(source.name, show)
                self._say(report)
                sleep(_seconds_to_wait(source, report))
        except KeyboardInterrupt:
            self.stderr.write("interrupted")

    def _told(self, report: Report, of: str = "new of") -> None:
        if report.outcome != "ok":
            raise CommandError(f"{report.outcome}: {report.reason}")
        self._say(report, of)

    def _say(self, report: Report, of: str = "new of") -> None:
        """On the error stream: the other one is for what came."""
        counts = f"{report.fresh} {of} {report.total}, {report.deleted} deleted"
        self.stderr.write(
            "; ".join(filter(None, (counts if report.outcome == "ok" else report.outcome, report.reason)))
        )

    # --- printing ----------------------------------------------------------------------------------------------------

    def _list(self, *, as_json: bool) -> None:
        statuses = selectors.source_statuses()
        if as_json:
            for status in statuses:
                self.stdout.write(msgspec.json.encode(asdict(status)).decode())
        else:
            self._print(_sources(statuses))

    def _lines(self, messages: Iterable[CrawlerMessage]) -> None:
        for message in messages:
            self.stdout.write(msgspec.json.encode(to_wire(message)).decode())

    def _table(self, messages: Iterable[CrawlerMessage]) -> None:
        self._print(_messages(messages))

    def _print(self, table: Table) -> None:
        terminal = self.stdout.isatty()
        console = Console(file=self.stdout, width=None if terminal else 200, no_color=not terminal)  # type: ignore[arg-type]
        console.print(table)


def _crawl(name: str, show: Show) -> Report:
    def publish(messages: Sequence[CrawlerMessage]) -> None:
        publisher.publish(messages)
        show(messages)

    return session.run(name, publish, f"manage.py {session.here()}")


def _seconds_to_wait(source: selectors.SourceView, report: Report) -> float:
    found = selectors.source_statuses(source.name)
    if not found:
        raise CommandError(f"{source.name} is gone")
    status = found[0]
    if report.outcome in {"failed", "throttled"}:
        return max((status.next_run_at - datetime.now(UTC)).total_seconds(), 1.0)
    return float(status.interval_seconds)


def _unknown(name: str) -> str:
    known = ", ".join(status.name for status in selectors.source_statuses())
    return f"there is no source {name!r}; known are {known or 'none: add one in the admin or in crawler.toml'}"


def _sources(statuses: Iterable[SourceStatus]) -> Table:
    table = Table("source", "kind", "on", "every", "next run", "last result", "lag p50", "error and notes")
    for status in statuses:
        table.add_row(
            Text(status.name),
            Text(status.kind),
            "yes" if status.enabled else "no",
            f"{status.interval_seconds} s",
            _when(status),
            Text(visible(status.last_result)),
            "" if status.lag_p50_seconds is None else f"{status.lag_p50_seconds:.1f} s",
            Text(_cut(_trouble(status))),
        )
    return table


def _when(status: SourceStatus) -> str:
    if status.leased_by:
        return "fetching"
    until = f"{status.next_run_at:%Y-%m-%d %H:%M:%S}"
    return f"{until} (throttled)" if status.throttled_until else until


def _trouble(status: SourceStatus) -> str:
    notes = "; ".join(f"{name}: {note}" for name, note in status.notes.items())
    return "; ".join(filter(None, (status.last_error, status.listen_error, notes)))


def _messages(messages: Iterable[CrawlerMessage]) -> Table:
    table = Table("posted", "author", "channel", "id", "type", "text")
    for message in messages:
        revision = f" r{message.revision}" if message.revision else ""
        kind = f"{message.type} ({len(message.media_urls)})" if message.media_urls else message.type
        table.add_row(
            f"{message.timestamp:%Y-%m-%d %H:%M:%S}",
            Text(visible(message.author)),
            Text(visible(message.channel)),
            Text(visible(message.id) + revision),
            kind,
            Text(_cut(message.data)),
        )
    return table


def _cut(text: str) -> str:
    """One line. What strangers wrote must not steer a terminal."""
    line = " ".join(visible(text).split())
    return line if len(line) <= _NARROW else line[: _NARROW - 1] + "…"
