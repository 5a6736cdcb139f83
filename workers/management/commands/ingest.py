"""`manage.py ingest FILE.jsonl`: put posts from a file into the live pipeline."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from workers import ingest

NOTHING_ACCEPTED = 3
"""Exit code when not a single line was accepted; CommandError has 1, argparse 2."""


class Command(BaseCommand):
    help = (
        "Read one CrawlerMessage a line and publish them. A line needs source, type, data, timestamp, id and author; "
        "media_urls, url, revision and channel are optional. Pictures may be named by a path relative to the file. "
        "Exit codes: 0 at least one line was accepted; 1 no such file, or not all were through in time; 2 wrong usage; "
        "3 not a single line was accepted (the JSON object, with each line's error, is printed all the same)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE.jsonl")
        parser.add_argument("--wait", action="store_true", help="wait until all are through and print one JSON object")
        parser.add_argument("--timeout", type=float, default=600, help="seconds to wait at most (default 600)")
        parser.add_argument(
            "--rebase-now", action="store_true", help="shift all times so that the last post is from now"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["file"].is_file():
            raise CommandError(f"{options['file']} is no file")
        rebase_to = datetime.now(UTC) if options["rebase_now"] else None
        posts, rejected = ingest.read_lines(options["file"], rebase_to=rebase_to)
        for entry in rejected:
            self.stderr.write(f"line {entry['line']}: {entry['error']}")
        ingest.publish(posts)
        if not options["wait"]:
            self._say({"published": len(posts), "rejected": rejected})
        else:
            self._say(ingest.report(_through(posts, options["timeout"]), rejected))
        if not posts:
            raise CommandError(f"not a single line of {options['file']} was accepted", returncode=NOTHING_ACCEPTED)

    def _say(self, report: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(report, ensure_ascii=False))


def _through(posts: list[Any], timeout: float) -> ingest.Progress:
    try:
        return _wait(posts, timeout)
    except TimeoutError as error:
        raise CommandError(str(error)) from None


def _wait(posts: list[Any], timeout: float) -> ingest.Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(file=sys.stderr)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("posts through", total=len(posts))

        def show(now: ingest.Progress) -> None:
            bar.update(task, completed=len(posts) - min(len(posts), now.outstanding))

        return ingest.wait(posts, timeout=timeout, on_progress=show)
