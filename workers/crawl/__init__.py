"""The crawl stage: runs a source's crawler and hands what is new to the pipeline."""

from __future__ import annotations

from datetime import UTC, datetime

from celery import Task

from apps.sources import crawl_services as services
from apps.sources import selectors
from apps.sources.adapters.registry import queue_of
from apps.sources.selectors import SourceView
from tradebot.celery import app
from workers.crawl import session
from workers.crawl.session import crawl

__all__ = ["crawl", "crawl_due", "run", "start_due"]


@app.task(name="tradebot.crawl_due", shared=False, soft_time_limit=60, time_limit=90)
def start_due() -> int:
    """One crawl task for each source whose time has come; returns how many."""
    due = crawl_due()
    for source in due:
        # Nobody took it until the source was due again: the next task does the same work.
        key = f"now.{queue_of(source)}"
        run.apply_async((source.name,), expires=source.interval_seconds, routing_key=key)
    return len(due)


@app.task(name="tradebot.crawl", bind=True, shared=False, soft_time_limit=120, time_limit=150)
def run(task: Task, name: str) -> int:
    """Crawl one source; returns how many posts were new. It may have been switched off or deleted meanwhile."""
    if not selectors.is_watched(name):
        return 0
    return session.run(name, node=str(task.request.hostname or "")).fresh


def crawl_due() -> list[SourceView]:
    """Claim the sources whose time has come; each is then to be crawled once."""
    return services.due_sources(datetime.now(UTC))
