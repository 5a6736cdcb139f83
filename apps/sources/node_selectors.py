"""Reads: which crawler nodes there are, and which sources each fetches just now."""

from __future__ import annotations

from collections import defaultdict

from django.db.models.functions import Now

from apps.sources.domain.nodes import Heard, Node
from apps.sources.leases import node_of
from apps.sources.models import Source
from apps.sources.models_config import CrawlerNode


def nodes() -> list[Heard]:
    """Every node that is known, by name."""
    return [heard(row) for row in CrawlerNode.objects.order_by("name")]


def heard(row: CrawlerNode) -> Heard:
    """A node's row as a frozen value."""
    node = Node(row.name, row.host, tuple(row.queues), tuple(row.plugins), row.version, row.started_at)
    return Heard(node, row.seen_at, row.ended_at)


def held() -> dict[str, list[str]]:
    """The sources that each node fetches just now, by the node's name."""
    found: dict[str, list[str]] = defaultdict(list)
    rows = Source.objects.filter(leased_until__gt=Now()).order_by("name")
    for name, leased_by in rows.values_list("name", "leased_by"):
        found[node_of(leased_by)].append(name)
    return dict(found)


def held_by(node: str) -> list[str]:
    """The sources that one node fetches just now, by name."""
    return held().get(node, [])
