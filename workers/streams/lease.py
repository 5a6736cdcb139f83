"""Who may listen: one PostgreSQL advisory lock for each account, all on one connection of this process's own."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from django.db import connections

ANSWER_SECONDS = 5.0
"""A database that is silent for so long may have given our locks to somebody else."""

_TAKE = "SELECT name, pg_try_advisory_lock(number) FROM unnest(%s::text[], %s::bigint[]) AS asked(name, number)"
_GIVE_BACK = "SELECT pg_advisory_unlock(number) FROM unnest(%s::bigint[]) AS held(number)"
_NEVER_HALF_OPEN = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "connect_timeout": 5}


class LeaseLost(Exception):
    """The connection that held the locks is gone, and the locks with it: nobody here may listen any longer."""


class Lease:
    """The locks this process holds. Names may be taken by one process at a time, whichever asks first; they come free
    when it ends, however it ends."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection
        self._held: set[str] = set()

    @property
    def held(self) -> frozenset[str]:
        return frozenset(self._held)

    async def take(self, names: Iterable[str]) -> frozenset[str]:
        """Those of `names` that were free and are ours now. Raises LeaseLost."""
        asked = sorted(set(names) - self._held)
        if not asked:
            return frozenset()
        rows = await self.fetch(_TAKE, [asked, [number(name) for name in asked]])
        taken = frozenset(name for name, given in rows if given)
        self._held |= taken
        return taken

    async def give_back(self, names: Iterable[str]) -> None:
        """Let others have them. Raises LeaseLost."""
        ours = sorted(set(names) & self._held)
        if ours:
            self._held -= set(ours)
            await self.fetch(_GIVE_BACK, [[number(name) for name in ours]])

    async def fetch(self, sql: str, params: list[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Rows of a read on the connection that holds the locks: an answer proves that they are still ours."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                cursor = await self._connection.execute(sql, params)
                return await cursor.fetchall()
        except (psycopg.Error, OSError, TimeoutError) as error:
            raise LeaseLost(type(error).__name__) from error


@asynccontextmanager
async def opened() -> AsyncIterator[Lease]:
    """A lease on nothing yet; its end gives everything back. Raises LeaseLost when the database can't be reached."""
    try:
        connection = await psycopg.AsyncConnection.connect(**_parameters(), autocommit=True)
    except (psycopg.Error, OSError) as error:
        raise LeaseLost(type(error).__name__) from error
    try:
        yield Lease(connection)
    finally:
        await connection.close()


def number(name: str) -> int:
    """The lock's key: 63 bits of the name's hash."""
    return int.from_bytes(hashlib.sha256(f"streams:{name}".encode()).digest()[:8]) >> 1


def _parameters() -> dict[str, Any]:
    """Django's own, without what concerns its cursors."""
    django = connections["default"]
    known = django.settings_dict
    named = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    given = {name: known[key] for name, key in named.items() if known[key]}
    options = {
        name: value
        for name, value in known["OPTIONS"].items()
        if name not in {"server_side_binding", "prepare_threshold", "pool", "isolation_level", "assume_role"}
    }
    return {**_NEVER_HALF_OPEN, **options, **given}
