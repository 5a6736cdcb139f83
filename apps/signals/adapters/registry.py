"""Which analyzers there are: the built-in ones and those that installed packages register, made from configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

import structlog
from django.conf import settings

from apps.signals.adapters.transformer_config import folders
from tradebot.contracts.errors import NotConfigured
from tradebot.contracts.ports import AnalyzerPlugin

log = structlog.get_logger(__name__)

GROUP = "tradebot.analyzers"
BUILTIN = {
    "rules": "apps.signals.adapters.rules:RulesAnalyzer",
    "minilm": "apps.signals.adapters.classifier:ClassifierAnalyzer",
    "ngrams": "apps.signals.adapters.ngrams:NGramAnalyzer",
    "trained": "apps.signals.adapters.trained:TrainedAnalyzer",
}
"""The same names and targets as in pyproject.toml, for a checkout that is not installed as a package."""
LLM = {"llm": "apps.signals.adapters.llm:LLMAnalyzer"}
"""Registered as well, and made only where LLM_URL names a server."""

TRANSFORMER = "apps.signals.adapters.transformer:TransformerAnalyzer"

Factory = Callable[[Mapping[str, Any]], AnalyzerPlugin]


def load_analyzers(config: Mapping[str, Mapping[str, Any]] | None = None) -> list[AnalyzerPlugin]:
    """One plugin for each registered name that can be configured, each called with `config[name]`.

    `{"enabled": False}` leaves one out. A plugin that can't be made is skipped and logged; it never breaks start-up.
    """
    given = config or {}
    found = {name: made for name, load in _factories() if (made := _make(name, load, given.get(name, {}))) is not None}
    log.info("analyzers_ready", analyzers={name: plugin.version for name, plugin in found.items()})
    return list(found.values())


def _factories() -> Iterator[tuple[str, Callable[[], Factory]]]:
    for name, target in BUILTIN.items():
        yield name, lambda target=target: _resolve(target)  # type: ignore[misc]
    for name, target in LLM.items() if settings.LLM_URL else ():
        yield name, lambda target=target: _resolve(target)  # type: ignore[misc]
    for point in entry_points(group=GROUP):
        if point.name not in BUILTIN | LLM:
            yield point.name, point.load
    yield from _transformers()


def _transformers() -> Iterator[tuple[str, Callable[[], Factory]]]:
    """One analyzer for each folder of TRANSFORMER_MODELS; each works in a thread of its own (panel)."""
    try:
        found = folders()
    except NotConfigured as reason:
        log.warning("analyzer_not_configured", analyzer="transformers", reason=str(reason))
        return
    for folder in found:
        if folder.name in BUILTIN | LLM:
            taken = f"TRANSFORMER_MODELS: {folder.name} is the name of another analyzer; choose another"
            log.warning("analyzer_not_configured", analyzer=folder.name, reason=taken)
        else:
            yield folder.name, lambda folder=folder: partial(_resolve(TRANSFORMER), folder)  # type: ignore[misc]


def _make(name: str, load: Callable[[], Factory], config: Mapping[str, Any]) -> AnalyzerPlugin | None:
    if not config.get("enabled", True):
        return None
    try:
        plugin = load()(config)
    except NotConfigured as reason:
        log.warning("analyzer_not_configured", analyzer=name, reason=str(reason))
        return None
    except Exception:
        log.exception("analyzer_broken", analyzer=name)
        return None
    if not isinstance(plugin, AnalyzerPlugin):
        log.warning("analyzer_broken", analyzer=name, reason="it has no name, version, weight or analyze")
        return None
    return plugin


def _resolve(target: str) -> Factory:
    module, _, name = target.partition(":")
    factory: Factory = getattr(import_module(module), name)
    return factory
