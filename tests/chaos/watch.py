"""Waking up when the product's rows change: triggers in the database of the run notify, nobody polls in a loop."""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg

_CHANNEL = "chaos"
_TABLES = ("trading_command", "trading_order", "trading_position", "messaging_deadletter")
_TRIGGER = """
CREATE OR REPLACE FUNCTION chaos_tell() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_notify('chaos', ''); RETURN NULL; END $$;
"""
_ENDED = "SELECT root_id FROM trading_command WHERE leg <> 'protect' AND state IN ('DENIED', 'DONE', 'SHADOWED')"
_PENDING = """
SELECT (SELECT count(*) FROM trading_order WHERE status IN ('INTENT', 'SUBMITTING', 'UNKNOWN')
        OR (leg <> 'protect' AND status IN ('OPEN', 'PARTIALLY_FILLED')))
     + (SELECT count(*) FROM messaging_outboxmessage)
"""
_LONGEST_NAP = 1.0


class Watch:
    """A connection of our own past the links. It outlives the database's deaths: a question then finds no answer."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None

    def install(self) -> None:
        """Have every change of a row of trading told. Once for a database."""
        with psycopg.connect(self._database, autocommit=True) as connection:
            connection.execute(_TRIGGER)
            for table in _TABLES:
                connection.execute(
                    f"CREATE OR REPLACE TRIGGER chaos_tell AFTER INSERT OR UPDATE ON {table} "
                    "FOR EACH STATEMENT EXECUTE FUNCTION chaos_tell()"
                )

    def ended(self) -> set[str] | None:
        """Roots of the posts whose command is at its end; None while the database can't be asked."""
        rows = self._ask(_ENDED)
        return None if rows is None else {str(row[0]) for row in rows}

    def pending(self) -> int | None:
        """Orders and messages that are under way; None while the database can't be asked."""
        rows = self._ask(_PENDING)
        return None if rows is None else int(str(rows[0][0]))

    def nap(self, seconds: float = _LONGEST_NAP) -> None:
        """Return when a row changed, or after `seconds`."""
        began = time.monotonic()
        try:
            for _ in self._connected().notifies(timeout=seconds, stop_after=1):
                return
        except psycopg.Error:
            self._drop()
            # A database that is down refuses at once; asking it without a pause brings it back no sooner.
            time.sleep(max(0.0, min(0.2, seconds - (time.monotonic() - began))))

    def until(self, what: Callable[[], bool], seconds: float) -> bool:
        """Whether `what` came true within `seconds`; asked again after each change of a row."""
        ends = time.monotonic() + seconds
        while not what():
            if time.monotonic() > ends:
                return False
            self.nap()
        return True

    def close(self) -> None:
        self._drop()

    def _ask(self, query: str) -> list[tuple[object, ...]] | None:
        try:
            return self._connected().execute(query).fetchall()
        except psycopg.Error:
            self._drop()
            return None

    def _connected(self) -> psycopg.Connection[tuple[object, ...]]:
        if self._connection is None:
            self._connection = psycopg.connect(self._database, autocommit=True, connect_timeout=2)
            self._connection.execute(f"LISTEN {_CHANNEL}")
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
