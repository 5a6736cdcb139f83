"""Logging an account in, once, with a person at the keyboard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from telethon import TelegramClient, errors

from apps.sources.adapters.telegram.client import ENDPOINT, Login, limits_of, make_client, translated
from apps.sources.adapters.telegram.config import TelegramConfig
from tradebot.contracts.errors import PermanentError

_TRIES = 3
_WRONG_CODE = (errors.PhoneCodeInvalidError, errors.PhoneCodeEmptyError)
_WRONG_PHONE = (errors.PhoneNumberInvalidError, errors.PhoneNumberUnoccupiedError, errors.PhoneNumberBannedError)


@dataclass(frozen=True, slots=True)
class Questions:
    """What is asked of the person; each returns the answer, whenever that comes: it runs in a thread of its own."""

    phone: Callable[[], str]
    code: Callable[[], str]
    password: Callable[[], str]


async def log_in(config: TelegramConfig, ask: Questions) -> Login:
    """A new session of the account that the person names. Raises Throttled when Telegram asks to wait, PermanentError
    for wrong answers, TransientError when it can't be reached."""
    limits_of(config.session).ask(ENDPOINT)
    client = make_client(config, patient=True)
    with translated(config):
        try:
            await client.connect()
            user = await _sign_in(client, ask)
            return Login(client.session.save(), int(user.id))
        finally:
            await client.disconnect()


async def _sign_in(client: TelegramClient, ask: Questions) -> Any:
    phone = (await asyncio.to_thread(ask.phone)).strip()
    try:
        await client.send_code_request(phone)
    except _WRONG_PHONE:
        raise PermanentError("Telegram knows no account with this number; write it as +491512345678") from None
    for _ in range(_TRIES):
        try:
            return await client.sign_in(phone, (await asyncio.to_thread(ask.code)).strip())
        except errors.SessionPasswordNeededError:
            return await _give_password(client, ask)
        except errors.PhoneCodeExpiredError:
            raise PermanentError("the code has expired; run the command again for a new one") from None
        except _WRONG_CODE:
            continue
    raise PermanentError(f"the code was wrong {_TRIES} times; run the command again for a new one")


async def _give_password(client: TelegramClient, ask: Questions) -> Any:
    for _ in range(_TRIES):
        try:
            return await client.sign_in(password=await asyncio.to_thread(ask.password))
        except errors.PasswordHashInvalidError:
            continue
    raise PermanentError(f"the password was wrong {_TRIES} times")
