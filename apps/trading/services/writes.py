"""The writes of every order, in SQL and one round trip: saving row by row in the ORM takes five times the processor."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any
from uuid import UUID

from django.db import DatabaseError
from django.db.models import Field, JSONField, Model

from tradebot import sql
from tradebot.contracts.errors import VenueUnavailable

_KEYS = "SELECT 1 FROM accounts_credential WHERE id = %s AND deleted_at IS NULL FOR KEY SHARE"


@dataclass(frozen=True, slots=True)
class Write:
    """One statement. `must`: it has to reach a row; `otherwise`: the error if it did not."""

    sql: str
    params: Sequence[Any]
    must: bool = True
    otherwise: Exception | None = None


def insert(row: Model) -> Write:
    """A new row; one with a number of its own making gets it from the database and is not told."""
    return Write(_insert(type(row)), [_value(row, field) for field in _stored(type(row))])


def update(row: Model, names: Sequence[str]) -> Write:
    """These fields of a stored row."""
    fields = [row._meta.get_field(name) for name in names]
    return Write(_update(type(row), tuple(names)), [*(_value(row, field) for field in fields), row.pk])


def with_keys(credential_id: UUID) -> Write:
    """Hold the account's keys until the transaction ends. Raises VenueUnavailable if they were destroyed meanwhile:
    whoever destroys them locks that row first, and then looks for orders."""
    gone = VenueUnavailable("the account's keys were destroyed at this moment; nothing was sent")
    return Write(_KEYS, [credential_id], otherwise=gone)


def together(*writes: Write) -> None:
    """Carry them out as one statement, in no order; no two may write the same row. The caller holds the transaction.

    Raises IntegrityError as the statements would alone, and DatabaseError when one that must change a row found none.
    """
    values = [value for write in writes for value in write.params]
    [[counts]] = sql.together((_joined(tuple(write.sql for write in writes)), values))
    for write, count in zip(writes, counts, strict=True):
        if write.must and not count:
            raise write.otherwise or DatabaseError(f"no row was there for: {write.sql.split(' SET ')[0]}")


@cache
def _joined(statements: tuple[str, ...]) -> str:
    """One statement that counts the rows of each: psycopg takes as long over a statement as PostgreSQL."""
    parts = [f"w{number} AS ({_telling(text)})" for number, text in enumerate(statements)]
    counts = [f"(SELECT count(*) FROM w{number})" for number in range(len(statements))]  # noqa: S608 - a number
    return f"WITH {', '.join(parts)} SELECT {', '.join(counts)}"


def _telling(text: str) -> str:
    return text if text.startswith("SELECT") else f"{text} RETURNING 1"


@cache
def _stored(model: type[Model]) -> tuple[Field[Any, Any], ...]:
    return tuple(field for field in model._meta.concrete_fields if not field.generated and field != _numbered(model))


def _numbered(model: type[Model]) -> Field[Any, Any] | None:
    return model._meta.auto_field


@cache
def _insert(model: type[Model]) -> str:
    columns = [field.column for field in _stored(model)]
    names = ", ".join(f'"{column}"' for column in columns)
    return f"INSERT INTO {model._meta.db_table} ({names}) VALUES ({', '.join(['%s'] * len(columns))})"  # noqa: S608


@cache
def _update(model: type[Model], names: tuple[str, ...]) -> str:
    fields: list[Any] = [model._meta.get_field(name) for name in names]
    changes = ", ".join(f'"{field.column}" = %s' for field in fields)
    return f"UPDATE {model._meta.db_table} SET {changes} WHERE {model._meta.pk.column} = %s"  # noqa: S608


def _value(row: Model, field: Any) -> Any:
    value = getattr(row, field.attname)
    if isinstance(field, JSONField):
        return json.dumps(value)
    return value.value if isinstance(value, Enum) else value
