"""Several SQL statements in one round trip, each translated once per process and planned once per connection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar

from django.db import connection
from psycopg import RawCursor

A = TypeVar("A")
B = TypeVar("B")
Query = tuple[str, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Reading(Generic[A]):
    """A question to the database, and how its rows are read: several rooms' questions may travel together."""

    query: Query
    read: Callable[[list[Any]], A]

    def now(self) -> A:
        """The answer, in a round trip of its own."""
        return self.read(together(self.query)[0])


def both(one: Reading[A], other: Reading[B]) -> tuple[A, B]:
    """Two answers in one round trip."""
    first, second = together(one.query, other.query)
    return one.read(first), other.read(second)


def together(*queries: Query) -> list[list[Any]]:
    """What each statement returned; one that returns nothing gives a row for each row it changed.

    Carried out one after the other, PostgreSQL taking a new snapshot for each: one that follows a lock sees all that
    the lock's last holder committed. Raises Django's database errors; the statements after the failed one did not run.
    """
    connection.validate_no_broken_transaction()
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    wire: Any = connection.connection
    cursors = [RawCursor(wire) for _ in queries]
    # A pipeline costs 0.2 ms of its own, as much as a small statement.
    with connection.wrap_database_errors, wire.pipeline() if len(queries) > 1 else nullcontext():
        for cursor, (sql, params) in zip(cursors, queries, strict=True):
            cursor.execute(_numbered(sql), params)
    return [cursor.fetchall() if cursor.description else [()] * cursor.rowcount for cursor in cursors]


@lru_cache(maxsize=512)
def _numbered(sql: str) -> bytes:
    """`sql` as PostgreSQL wants it, $1 for the first %s. psycopg would do it anew at each call for a statement of more
    than fifty values, which takes it longer than PostgreSQL takes for the work."""
    head, *rest = sql.split("%s")
    return "".join([head, *(f"${number}{part}" for number, part in enumerate(rest, 1))]).replace("%%", "%").encode()
