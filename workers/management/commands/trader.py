"""manage.py trader: a user with a token and a funded paper account, ready to trade."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.models import Scope
from tradebot.contracts.errors import TradebotError
from workers.traders import open_trader, read_deposits

DEPOSIT = "USDT=10000"


class Command(BaseCommand):
    help = (
        "Create the user NAME, or find them; give them a new API token, and a funded paper account unless they have "
        'one. Prints {"user_id", "token", "credential_id"} on standard output.'
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--deposit", action="append", metavar="ASSET=AMOUNT", help=f"Repeatable; else {DEPOSIT}.")
        parser.add_argument("--scope", action="append", choices=Scope.values, default=[], help="What the token may do.")
        parser.add_argument("--json", action="store_true", help="Say nothing on standard error.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            deposits = read_deposits(options["deposit"] or [DEPOSIT])
            trader = open_trader(options["name"], deposits, options["scope"])
        except TradebotError as error:
            raise CommandError(str(error)) from None
        if not (trader.funded or options["json"]):
            self.stderr.write(f"{options['name']} has a paper account already; nothing was deposited")
        told = {"user_id": str(trader.user_id), "token": trader.token, "credential_id": str(trader.credential_id)}
        self.stdout.write(json.dumps(told))
