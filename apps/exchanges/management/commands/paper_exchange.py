"""`manage.py paper_exchange` runs the paper exchange; `manage.py paper_exchange price BTC/USDT 30000` sets a price."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.exchanges.adapters import paper_admin
from tradebot.contracts.errors import TradebotError


class Command(BaseCommand):
    help = "Set a price on the running paper exchange; without `price`, run the exchange itself (--help shows how)."

    def run_from_argv(self, argv: list[str]) -> None:
        """Everything but `price` belongs to the exchange's own command line."""
        if argv[2:3] == ["price"]:
            super().run_from_argv(argv)
        else:
            become_exchange(argv[2:])

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["price"])
        parser.add_argument("pair", help="such as BTC/USDT")
        parser.add_argument("price", help="such as 30000")

    def handle(self, *_: Any, pair: str, price: str, **__: Any) -> None:
        try:
            told = paper_admin.set_price(pair, Decimal(price))
        except InvalidOperation:
            raise CommandError(f"price: {price!r} is not a number such as 30000") from None
        except TradebotError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{told['pair']} {told['price']}: {len(told['acted'])} waiting orders acted")


def become_exchange(arguments: list[str]) -> None:
    """Replace this process: the exchange needs nothing of Django, and so keeps its small memory."""
    if "--ledger" not in arguments:
        arguments = [*arguments, "--ledger", str(Path(settings.VAR_DIR) / "paper_exchange.db")]
    if settings.PAPER_EXCHANGE_TOKEN:
        os.environ["PAPER_EXCHANGE_TOKEN"] = settings.PAPER_EXCHANGE_TOKEN
    os.execv(sys.executable, [sys.executable, "-m", "apps.exchanges.paper", *arguments])  # noqa: S606
