"""One run over a channel's public preview.

Scrapy runs without a reactor (`scrapy_guard.run_spider`): a Celery child can do so any number of times, where a reactor
starts once, and a process of its own would cost seconds for every look at a page.
"""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings

from apps.sources.adapters.guarded import GuardedClient
from apps.sources.adapters.limits import SharedLimits
from apps.sources.adapters.telegram.config import TelegramConfig
from apps.sources.adapters.telegram.ledger import Memory
from apps.sources.adapters.telegram.walk import Outcome, Walk

PAGE_BYTES = 2 * 1024 * 1024
_PAGE_SECONDS = 10.0
_RUN_SECONDS = 90.0


def read_preview(config: TelegramConfig, memory: Memory) -> tuple[Outcome, list[str]]:
    """What is new since `memory`, and notes for the operator. Raises Throttled, TransientError, PermanentError."""
    # Late: Scrapy takes 40 MB, and only workers that read a preview need it.
    from apps.sources.adapters.scrapy_guard import run_spider
    from apps.sources.adapters.telegram.spider import ENDPOINT, PreviewSpider

    limits = _limits(settings.OUTGOING_ADDRESS)
    limits.ask(ENDPOINT)
    walk = Walk(memory, config.preview_base, config.overlap, config.pages)
    client = GuardedClient(allow=settings.GUARDED_ALLOW, byte_limit=PAGE_BYTES, time_limit=_PAGE_SECONDS)
    with client:
        run_spider(PreviewSpider, client, time_limit=_RUN_SECONDS, walk=walk, limits=limits)
    return walk.outcome(), sorted(walk.notes)


@lru_cache(maxsize=4)
def _limits(address: str) -> SharedLimits:
    """t.me counts requests by address, not by channel."""
    return SharedLimits("telegram", address)
