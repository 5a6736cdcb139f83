"""manage.py telegram_login: log an account in at Telegram and keep its session, sealed."""

from __future__ import annotations

import asyncio
from getpass import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.sources import telegram_sessions
from apps.sources.adapters.secrets import resolved
from apps.sources.adapters.telegram.config import TelegramConfig, read_config
from apps.sources.adapters.telegram.login import Questions, log_in
from tradebot.contracts.errors import TradebotError


class Command(BaseCommand):
    help = (
        "Log an account in at Telegram. Asks for the phone number, the code that Telegram sends, and the two-step "
        "password if there is one. The session is stored sealed and never shown. api_id and api_hash are taken from a "
        "telegram source that uses this session, else from the options, else asked for."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--session", default="default", help="the name by which sources use it (default: default)")
        parser.add_argument("--api-id", default="", help="number or reference (env:NAME, file:PATH)")
        parser.add_argument("--api-hash", default="", help="reference only (env:NAME, file:PATH)")
        parser.add_argument("--forget", action="store_true", help="destroy the stored session instead")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["session"]
        if options["forget"]:
            self._forget(name)
            return
        try:
            login = asyncio.run(log_in(self._config(name, options), self._questions()))
        except TradebotError as error:
            raise CommandError(str(error)) from None
        telegram_sessions.save_session(name=name, account=login.account, session=login.session)
        self.stdout.write(f"session {name!r} is stored; sources that name it read as this account from their next run")

    def _forget(self, name: str) -> None:
        if not telegram_sessions.forget_session(name=name):
            raise CommandError(f"there is no session {name!r}")
        self.stdout.write(
            f"session {name!r} is destroyed here; end it at Telegram too: Settings, Devices, in a Telegram app"
        )

    def _config(self, name: str, options: dict[str, Any]) -> TelegramConfig:
        given = {"api_id": options["api_id"], "api_hash": options["api_hash"]}
        if given["api_hash"] and not given["api_hash"].startswith(("env:", "file:")):
            raise CommandError("--api-hash: give a reference, env:NAME or file:PATH; a command line is no secret place")
        settings = telegram_sessions.settings_with(name) or {"channel": "telegram", "session": name}
        settings = resolved({**settings, **{key: value for key, value in given.items() if value}})
        settings.setdefault("api_id", "")
        if not settings["api_id"]:
            settings["api_id"] = self._ask("api_id (from my.telegram.org)")
        if not settings.get("api_hash"):
            settings["api_hash"] = getpass("api_hash (not shown): ")
        return read_config({**settings, "session": name, "mode": "client"})

    def _questions(self) -> Questions:
        return Questions(
            phone=lambda: self._ask("phone number, with country code"),
            code=lambda: self._ask("code that Telegram sent"),
            password=lambda: getpass("two-step password (not shown): "),
        )

    def _ask(self, question: str) -> str:
        self.stdout.write(f"{question}: ", ending="")
        self.stdout.flush()
        return input().strip()
