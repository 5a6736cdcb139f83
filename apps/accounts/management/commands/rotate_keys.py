"""manage.py rotate_keys: put the data key of every sealed row under the newest wrapping key."""

from __future__ import annotations

import sys
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from apps.accounts import selectors, services
from apps.accounts.domain.envelope import SealError
from tradebot.sealing.rows import rotate_sealed_rows

BATCH = 200


class Command(BaseCommand):
    help = (
        "Rewrap the data keys of all credentials and sessions with the first key in CREDENTIAL_KEYS. Put the new key "
        "in front, run this, then drop the old key. Safe to run again, and while the stack is up."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        look = (TextColumn("Rewrapping credentials"), BarColumn(), MofNCompleteColumn())
        with Progress(*look, console=Console(file=sys.stderr)) as progress:
            bar = progress.add_task("", total=selectors.sealed_count())
            changed = self._rotate(lambda seen: progress.update(bar, advance=seen))
        self.stdout.write(f"{changed} rewrapped with the newest key")

    def _rotate(self, report: Any) -> int:
        changed, last = 0, UUID(int=0)
        try:
            while batch := services.rotate_batch(after=last, size=BATCH):
                last, changed = batch.last, changed + batch.rewrapped
                report(batch.seen)
            changed += rotate_sealed_rows()
        except SealError as error:
            raise CommandError(f"Stopped after {changed}: {error}") from None
        return changed
