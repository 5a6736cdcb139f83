"""A Telethon client for one stored session, and what Telegram's errors mean for a crawl."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import structlog
from django.conf import settings
from redis.exceptions import RedisError
from telethon import TelegramClient, errors
from telethon.crypto import rsa
from telethon.sessions import StringSession

from apps.sources.adapters.limits import SharedLimits
from apps.sources.adapters.telegram.config import TelegramConfig
from tradebot import valkey
from tradebot.contracts.errors import NotConfigured, PermanentError, TransientError

ENDPOINT = "Telegram client"
HELD_MS = 120_000
_OTHER_SERVER_DC = 2
_CONNECT_SECONDS = 10
_FLOODS = (errors.FloodWaitError, errors.FloodPremiumWaitError, errors.SlowModeWaitError)
_GONE = (errors.UsernameInvalidError, errors.UsernameNotOccupiedError)
_CLOSED = (errors.ChannelPrivateError, errors.ChannelInvalidError)
_PASSING = (
    *(errors.ServerError, errors.TimedOutError, errors.RpcCallFailError, errors.InterdcCallErrorError),
    *(errors.SecurityError, errors.InvalidBufferError, errors.InvalidChecksumError, errors.TypeNotFoundError),
    *(OSError, EOFError, TimeoutError, asyncio.IncompleteReadError),
)
_log = structlog.get_logger(__name__)


class SessionLost(NotConfigured):
    """Telegram does not know the stored session any more: a person must log in again."""


@dataclass(frozen=True, slots=True)
class Login:
    """A stored session, opened: Telethon's own text form of it, and whose account it is."""

    session: str = field(repr=False)
    account: int


def make_client(
    config: TelegramConfig, session: str = "", *, updates: bool = False, patient: bool = False
) -> TelegramClient:
    """A client that is not connected yet; a `patient` one connects again when it is cut off. Waits that Telegram asks
    for are raised, never slept through."""
    stored = StringSession(session)
    if config.server:
        host, _, port = config.server.rpartition(":")
        _trust(config.server_key)
        stored.set_dc(stored.dc_id or _OTHER_SERVER_DC, host.strip("[]"), int(port))
    return TelegramClient(
        stored,
        int(config.api_id),
        str(config.api_hash),
        receive_updates=updates,
        auto_reconnect=updates or patient,
        flood_sleep_threshold=0,
        request_retries=2,
        connection_retries=2,
        timeout=_CONNECT_SECONDS,
        device_model="tradebot",
        app_version="0.1",
        raise_last_call_error=True,
    )


@asynccontextmanager
async def connected(config: TelegramConfig, login: Login, *, updates: bool = False) -> AsyncIterator[TelegramClient]:
    """A client that Telegram knows, closed at the end. Raises as `translated` does; SessionLost when it must log in."""
    await asyncio.to_thread(limits_of(config.session).ask, ENDPOINT)
    await asyncio.to_thread(hold_address, config.session)
    client = make_client(config, login.session, updates=updates)
    with translated(config):
        try:
            await client.connect()
            if not await client.is_user_authorized():
                raise _lost(config)
            yield client
        finally:
            await client.disconnect()


@contextmanager
def translated(config: TelegramConfig) -> Iterator[None]:
    """Telegram's errors as ours: FloodWait is Throttled for every worker with this session."""
    try:
        yield
    except _FLOODS as error:
        raise limits_of(config.session).hold(ENDPOINT, error.seconds) from None
    except errors.AuthKeyDuplicatedError:
        raise SessionLost(
            f"session {config.session!r} was used from two addresses at once, and Telegram ended it; run manage.py "
            "telegram_login again, and let all workers that use it leave through one address"
        ) from None
    except (errors.UnauthorizedError, errors.AuthKeyNotFound):
        raise _lost(config) from None
    except _GONE:
        raise PermanentError(f"there is no @{config.channel} on Telegram; check the channel's name") from None
    except _CLOSED:
        raise PermanentError(f"@{config.channel} is private, or closed to this account") from None
    except _PASSING as error:
        raise TransientError(f"Telegram did not answer: {error or type(error).__name__}"[:300]) from None
    except errors.RPCError as error:
        raise PermanentError(f"Telegram refused: {error.message} ({error.code})"[:300]) from None


@lru_cache(maxsize=64)
def limits_of(session: str) -> SharedLimits:
    """FloodWait counts for an account, whichever channel is asked about."""
    return SharedLimits("telegram", session)


def hold_address(session: str) -> None:
    """Say that this session is in use behind our address. Raises TransientError when another address holds it: Telegram
    ends a session for good that it sees at two addresses."""
    key, mine = f"tradebot:telegram:session:{session}", settings.OUTGOING_ADDRESS
    try:
        connection: Any = valkey.client()
        connection.set(key, mine, px=HELD_MS, nx=True)
        holder = (connection.get(key) or mine.encode()).decode()
        if holder == mine:
            connection.pexpire(key, HELD_MS)
    except RedisError as error:
        _log.warning("telegram session without valkey", error=type(error).__name__)
        return
    if holder != mine:
        raise TransientError(f"session {session!r} is in use behind {holder}; give each address a session of its own")


def _lost(config: TelegramConfig) -> SessionLost:
    return SessionLost(f"session {config.session!r} is not logged in any more; run manage.py telegram_login again")


@lru_cache(maxsize=8)
def _trust(key: str) -> None:
    try:
        rsa.add_key(key, old=False)
    except ValueError:
        raise NotConfigured("server_key: is no RSA public key in PKCS#1 PEM form") from None
