"""Several SQL statements in one round trip, each planned once per connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection

Query = tuple[str, Sequence[Any]]


def together(*queries: Query) -> list[list[Any]]:
    """What each statement returned; one that returns nothing gives a row for each row it changed.

    Carried out one after the other, PostgreSQL taking a new snapshot for each: one that follows a lock sees all that
    the lock's last holder committed. Raises Django's database errors; the statements after the failed one did not run.
    """
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    assert connection.connection is not None
    with connection.wrap_database_errors, connection.connection.pipeline():
        cursors = [connection.cursor() for _ in queries]
        for cursor, (sql, params) in zip(cursors, queries, strict=True):
            cursor.execute(sql, params)
    return [cursor.fetchall() if cursor.description else [()] * cursor.rowcount for cursor in cursors]
