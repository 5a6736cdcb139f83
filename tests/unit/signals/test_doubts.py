"""What doubts cost and what they find, on the project's own corpus."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache

from apps.signals.domain.addressed import addressed
from apps.signals.domain.dated import outdated
from apps.signals.domain.impersonation import impersonated
from apps.signals.domain.scheme import scheme
from apps.signals.training.corpus import CorpusPost, corpus

POSTED = datetime(2026, 11, 1, tzinfo=UTC)


@cache
def _calling() -> list[tuple[CorpusPost, bool]]:
    """Bullish and bearish posts, and whether anything speaks against acting on them."""
    return [(post, _doubted(post.text)) for post in corpus() if post.direction]


def _doubted(text: str) -> bool:
    return bool(addressed(text) or scheme(text) or outdated(text, POSTED) or impersonated(text, "twitter", "somebody"))


def _share(record: Callable[[str, object], None], *, manipulates: bool) -> float:
    found = [doubted for post, doubted in _calling() if post.manipulates is manipulates]
    kind = "manipulative" if manipulates else "honest"
    record("told", f"{kind} bullish and bearish corpus posts that are doubted: {sum(found)} of {len(found)}")
    return sum(found) / len(found)


def test_honest_posts_are_hardly_ever_doubted(record_property: Callable[[str, object], None]) -> None:
    assert _share(record_property, manipulates=False) <= 0.015


def test_many_manipulative_ones_are(record_property: Callable[[str, object], None]) -> None:
    assert _share(record_property, manipulates=True) >= 0.35
