"""`manage.py dead_letters list|show|retry|drop`: what could not be handled, and what to do about it."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tradebot.messaging import selectors, services
from workers.housekeeping import collect_dead_letters


class Command(BaseCommand):
    help = "List, show, retry or drop messages that a stage gave up. Retried ones go back to the stage they died in."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="one line each, newest first")
        listing.add_argument("--stage", help="only this stage, for example analyze")
        listing.add_argument("--state", default="open", choices=["open", "retried", "dropped", "all"])
        listing.add_argument("--limit", type=int, default=100)
        for name, text in (("show", "everything about one"), ("retry", "send back"), ("drop", "close without retry")):
            action = actions.add_parser(name, help=text)
            action.add_argument("ids", nargs="+", metavar="ID", help="id from `list`, or `all` (retry and drop)")

    def handle(self, *args: Any, **options: Any) -> None:
        collect_dead_letters()
        getattr(self, f"_{options['action']}")(options)

    def _list(self, options: dict[str, Any]) -> None:
        state = None if options["state"] == "all" else options["state"]
        letters = selectors.dead_letters(stage=options["stage"], state=state, limit=options["limit"])
        for letter in letters:
            self.stdout.write(f"{letter.id}  {letter.dead_at:%Y-%m-%d %H:%M:%S}  {letter.stage:10} {letter.reason}")
        if not letters:
            self.stdout.write("No dead letters.")

    def _show(self, options: dict[str, Any]) -> None:
        for letter_id in self._ids(options):
            letter = selectors.dead_letter(letter_id)
            if letter is None:
                raise CommandError(f"no dead letter {letter_id}; `dead_letters list` shows the ids")
            self.stdout.write(
                json.dumps(
                    {
                        "id": str(letter.id),
                        "stage": letter.stage,
                        "reason": letter.reason,
                        "state": letter.state,
                        "attempts": letter.attempts,
                        "dead_at": letter.dead_at.isoformat(),
                        "items": letter.items,
                    },
                    indent=2,
                    ensure_ascii=False,
                )
            )

    def _retry(self, options: dict[str, Any]) -> None:
        done = services.retry_dead_letters(self._ids(options))
        self.stdout.write(f"{done.sent} sent back")
        if done.refused:
            raise CommandError("\n".join(done.refused))

    def _drop(self, options: dict[str, Any]) -> None:
        self.stdout.write(f"{services.drop_dead_letters(self._ids(options))} dropped")

    def _ids(self, options: dict[str, Any]) -> list[UUID]:
        if options["ids"] == ["all"]:
            return [letter.id for letter in selectors.dead_letters(limit=1_000_000)]
        try:
            return [UUID(text) for text in options["ids"]]
        except ValueError as error:
            raise CommandError(f"{error}; `dead_letters list` shows the ids") from None
