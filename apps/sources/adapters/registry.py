"""Which crawlers there are: the built-in ones and those that installed packages bring (`tradebot.crawlers`)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import msgspec
import structlog

from apps.sources.adapters.secrets import Secret, resolved
from apps.sources.domain.intake import PUBLIC_SOURCES
from apps.sources.domain.plugin_settings import misfits, require_fit
from apps.sources.selectors import SourceView
from tradebot.contracts.errors import InvalidField, NotConfigured
from tradebot.contracts.ports import CrawlerPlugin

GROUP = "tradebot.crawlers"
_BUILT_IN = {
    "rss": "apps.sources.adapters.rss:FeedCrawler",
    "telegram": "apps.sources.adapters.telegram.crawler:TelegramCrawler",
    "twitter": "apps.sources.adapters.x.crawler:XCrawler",
    "web": "apps.sources.adapters.pages.crawler:PageCrawler",
}
_SHORTEST_SECRET = 4

Factory = Callable[[], CrawlerPlugin]
_handed_out: dict[str, set[str]] = {}
"""What this process's crawlers got last, by source: a secret that was replaced since is still not to be shown."""
_log = structlog.get_logger(__name__)


def load_crawlers() -> dict[str, Factory]:
    """Every crawler that can be imported, by name. One that can't is logged once and left out."""
    loaded = {name: load_crawler(name) for name in _entries()}
    return {name: factory for name, factory in loaded.items() if factory}


@functools.lru_cache(maxsize=256)
def load_crawler(kind: str) -> Factory | None:
    """One crawler, without importing any other; None where there is none, or none that can be imported."""
    entry = _entries().get(kind)
    return _load(entry) if entry else None


def crawler_names() -> frozenset[str]:
    """Names of the crawlers that are installed; none of them is imported for it."""
    return frozenset(_entries())


def source_names() -> frozenset[str]:
    """What an outside item may call its source."""
    return PUBLIC_SOURCES | _entries().keys()


def listens(kind: str) -> bool:
    """Whether this kind of source can tell by itself: its crawler is a class with `listen`."""
    return callable(getattr(load_crawler(kind), "listen", None))


def would_listen(kind: str, config: Mapping[str, Any]) -> bool:
    """Whether a source with these settings (secrets as references) is to be listened to. A crawler may say so with a
    class method `would_listen`; one without is listened to."""
    opinion = getattr(load_crawler(kind), "would_listen", None)
    try:
        return bool(opinion(config)) if callable(opinion) else True
    except Exception as error:  # noqa: BLE001 - other people's code: it keeps no other source from being listened to
        _log.warning("crawler can't say whether it listens", crawler=kind, error=type(error).__name__)
        return False


@functools.lru_cache(maxsize=1)
def _entries() -> dict[str, EntryPoint]:
    built_in = {name: EntryPoint(name, path, GROUP) for name, path in _BUILT_IN.items()}
    return built_in | {entry.name: entry for entry in entry_points(group=GROUP)}


def config_model(kind: str) -> type[msgspec.Struct] | None:
    """What the settings of this kind of source are checked against; None where the plugin has no model."""
    model: type[msgspec.Struct] | None = getattr(load_crawler(kind), "config_model", None)
    return model


def wrong_settings(kind: str, config: Mapping[str, Any]) -> list[InvalidField]:
    """What is wrong with a source of this kind, before it is stored: each names its field, `config.…` or `kind`."""
    if load_crawler(kind) is None:
        return [InvalidField("kind", f"is no crawler; installed are {', '.join(sorted(load_crawlers()))}")]
    found = misfits(config_model(kind), config)
    return [InvalidField(f"config.{error.field}".rstrip("."), error.reason) for error in found]


def queue_of(source: SourceView) -> str:
    """Which worker queue a crawl of this source goes to: `browser` where its plugin's `queue(config)` says so."""
    choose = getattr(load_crawler(source.kind), "queue", None)
    try:
        return "browser" if callable(choose) and choose(source.config) == "browser" else "crawl"
    except Exception as error:  # noqa: BLE001 - other people's code: it keeps no other source from being crawled
        _log.warning("crawler can't choose a queue", source=source.name, reason=f"{type(error).__name__}: {error}")
        return "crawl"


def make_crawler(source: SourceView, state: Mapping[str, Any] | None = None) -> CrawlerPlugin:
    """The crawler of one watched source, ready to fetch, with the secrets that its settings name. `state`: what it gets
    back instead of the source's own. Raises NotConfigured with the reason, which names the setting and the remedy."""
    factory = load_crawler(source.kind)
    if factory is None:
        known = ", ".join(sorted(load_crawlers()))
        raise NotConfigured(f"{source.name}: there is no crawler {source.kind!r}; installed are {known}")
    try:
        require_fit(config_model(source.kind), source.config)
    except InvalidField as error:
        raise NotConfigured(str(error)) from None
    crawler = factory()
    given = source.state if state is None else state
    settings = resolved(source.config)
    _handed_out[source.name] = _secrets(settings)
    crawler.init({**settings, "name": source.name, "url": source.url, "state": given})
    return crawler


def without_secrets(source: SourceView, text: str) -> str:
    """`text` with `***` where a plugin wrote a secret of its source."""
    secrets = _handed_out.get(source.name, set()) | _kept_now(source)
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(str(secret), "***")
    return text


def _kept_now(source: SourceView) -> set[str]:
    try:
        return _secrets(resolved(source.config))
    except NotConfigured:
        return set()


def _secrets(value: Any) -> set[str]:
    if isinstance(value, Mapping):
        return set().union(*(_secrets(inner) for inner in value.values()))
    if isinstance(value, list):
        return set().union(*(_secrets(inner) for inner in value))
    return {value} if isinstance(value, Secret) and len(value) >= _SHORTEST_SECRET else set()


def _load(entry: EntryPoint) -> Factory | None:
    try:
        factory: Factory = getattr(import_module(entry.module), entry.attr)
    except Exception as error:  # noqa: BLE001 - other people's code: whatever it raises keeps nothing else from starting
        _log.warning("crawler left out", crawler=entry.name, reason=f"{type(error).__name__}: {error}")
        return None
    return factory
