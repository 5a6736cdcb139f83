"""Crawler nodes as rows: the registry that needs nothing else, and the admin's copy of another one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import Error, connection
from django.db.models.functions import Now

from apps.sources import node_selectors as selectors
from apps.sources.domain.nodes import Heard, Node
from apps.sources.models_config import CrawlerNode
from tradebot.contracts.errors import TransientError

FORGOTTEN = timedelta(days=7)
"""Nodes that were gone for so long are no longer shown."""

_COLUMNS = ("name", "host", "queues", "plugins", "version", "started_at", "seen_at", "ended_at")
# What came from an older life of the same name, or was heard before, changes nothing.
_SAVE = f"""
INSERT INTO {CrawlerNode._meta.db_table} AS known ({", ".join(_COLUMNS)})
VALUES (%s, %s, %s::jsonb, %s::jsonb, %s, %s, COALESCE(%s, clock_timestamp()), %s)
ON CONFLICT (name) DO UPDATE SET {", ".join(f"{column} = excluded.{column}" for column in _COLUMNS[1:])}
WHERE excluded.started_at >= known.started_at AND excluded.seen_at >= known.seen_at
"""  # noqa: S608 - the table's own names


class DatabaseRegistry:
    """`Registry` in the table that the admin shows. The database's clock says when a node was heard."""

    def register(self, node: Node) -> None:
        self.beat(node)
        try:
            CrawlerNode.objects.filter(seen_at__lt=Now() - FORGOTTEN).delete()
        except Error as error:
            raise _unanswered(error) from error

    def beat(self, node: Node) -> None:
        _save(node, None, None)

    def deregister(self, node: Node) -> None:
        try:
            CrawlerNode.objects.filter(name=node.name, started_at=node.started_at).update(ended_at=Now())
        except Error as error:
            raise _unanswered(error) from error

    def nodes(self) -> Sequence[Heard]:
        try:
            return selectors.nodes()
        except Error as error:
            raise _unanswered(error) from error


def copy(found: Sequence[Heard]) -> None:
    """Keep what another registry tells, so that the admin need not ask it. A node that it no longer tells of stays,
    and grows late."""
    for heard in found:
        _save(heard.node, heard.seen_at, heard.ended_at)


def _save(node: Node, seen_at: datetime | None, ended_at: datetime | None) -> None:
    lists = (json.dumps(node.queues), json.dumps(node.plugins))
    try:
        with connection.cursor() as cursor:
            cursor.execute(_SAVE, [node.name, node.host, *lists, node.version[:50], node.started_at, seen_at, ended_at])
    except Error as error:
        raise _unanswered(error) from error


def _unanswered(error: Error) -> TransientError:
    return TransientError(f"the database does not answer: {str(error).strip()}")
