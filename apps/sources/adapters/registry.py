"""Which crawlers there are: the built-in ones and those that installed packages bring (`tradebot.crawlers`)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

import structlog

from apps.sources.domain.intake import PUBLIC_SOURCES
from apps.sources.selectors import SourceView
from tradebot.contracts.errors import NotConfigured
from tradebot.contracts.ports import CrawlerPlugin

GROUP = "tradebot.crawlers"
_BUILT_IN = {"rss": "apps.sources.adapters.rss:FeedCrawler"}

Factory = Callable[[], CrawlerPlugin]
_log = structlog.get_logger(__name__)


@functools.lru_cache(maxsize=1)
def load_crawlers() -> dict[str, Factory]:
    """Every crawler that can be imported, by name. One that can't is logged once and left out."""
    found = {name: EntryPoint(name, path, GROUP) for name, path in _BUILT_IN.items()}
    found |= {entry.name: entry for entry in entry_points(group=GROUP)}
    loaded = {name: _load(entry) for name, entry in found.items()}
    return {name: factory for name, factory in loaded.items() if factory}


def source_names() -> frozenset[str]:
    """What an outside item may call its source."""
    return PUBLIC_SOURCES | load_crawlers().keys()


def make_crawler(source: SourceView) -> CrawlerPlugin:
    """The crawler of one watched source, ready to fetch. Raises NotConfigured with the reason."""
    factory = load_crawlers().get(source.kind)
    if factory is None:
        known = ", ".join(sorted(load_crawlers()))
        raise NotConfigured(f"{source.name}: there is no crawler {source.kind!r}; installed are {known}")
    crawler = factory()
    crawler.init({**source.config, "name": source.name, "url": source.url, "state": source.state})
    return crawler


def _load(entry: EntryPoint) -> Factory | None:
    try:
        module = import_module(entry.module)
        factory: Factory = getattr(module, entry.attr)
    except (ImportError, AttributeError, NotConfigured) as error:
        _log.warning("crawler left out", crawler=entry.name, reason=str(error))
        return None
    return factory
