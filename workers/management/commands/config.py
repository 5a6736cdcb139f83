"""`manage.py config`: what the crawlers' configuration says, whether it holds, and whether a text would."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.sources import config_selectors as selectors
from apps.sources.adapters.config_address import config_source
from apps.sources.config_services import check
from apps.sources.domain.crawler_config import InvalidConfig, SourceSpec
from tradebot.contracts.errors import InvalidField, TransientError
from workers.config import Watcher


class Command(BaseCommand):
    help = (
        "Show how the crawlers' configuration (CRAWLER_CONFIG) stands and which sources it manages; check a text "
        "before it counts; or watch it, as the streams process of `make up` does."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--check",
            metavar="FILE",
            nargs="?",
            const="",
            help="Say what FILE would do, or every error in it (exit code 1). Without FILE: what stands there now.",
        )
        what.add_argument("--show", action="store_true", help="What is in force (the default).")
        what.add_argument("--watch", action="store_true", help="Apply it now and at every change, until a signal.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["check"] is not None:
            self._check(options["check"])
        elif options["watch"]:
            _watch()
        else:
            self._show()

    def _check(self, name: str) -> None:
        try:
            specs = check(_text(name))
        except InvalidConfig as error:
            raise CommandError("\n".join(f"{one}" for one in error.errors)) from None
        except (InvalidField, TransientError) as error:
            raise CommandError(str(error)) from None
        for spec in specs:
            self.stdout.write(_line(spec))
        self.stdout.write(f"{sum(spec.enabled for spec in specs)} of {len(specs)} sources on")

    def _show(self) -> None:
        status = selectors.config_status()
        if status is None:
            self.stdout.write(f"{settings.CRAWLER_CONFIG}: nothing was applied yet; it is, by `make up`")
            return
        for name, value in status.shown():
            self.stdout.write(f"{name:11} {value}")
        for spec in selectors.managed_sources():
            self.stdout.write(_line(spec))


def _line(spec: SourceSpec) -> str:
    on = "on " if spec.enabled else "off"
    return f"{on} {spec.kind:10} every {spec.interval_seconds:6} s  {spec.name}"


def _text(name: str) -> str:
    source = config_source(f"file:{Path(name).absolute()}" if name else settings.CRAWLER_CONFIG)
    return source.read().text


def _watch() -> None:
    watcher = Watcher()

    def stop(number: int, frame: FrameType | None) -> None:
        watcher.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    watcher.run()
