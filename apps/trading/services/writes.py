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
    """Send them at once, to be carried out one after the other; the caller holds the transaction.

    Raises IntegrityError as the statements would alone, and DatabaseError when one that must change a row found none.
    """
    changed = sql.together(*((write.sql, write.params) for write in writes))
    for write, rows in zip(writes, changed, strict=True):
        if write.must and not rows:
            raise write.otherwise or DatabaseError(f"no row was there for: {write.sql.split(' SET ')[0]}")


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
