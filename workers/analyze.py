"""The analyze stage: all analyzers judge a post, and one signal with its evidence comes of it, once."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.conf import settings

from apps.signals import selectors, services
from apps.signals.adapters.panel import Panel
from apps.signals.adapters.registry import load_analyzers
from apps.signals.domain.ensemble import combine
from apps.signals.domain.evidence import checked
from apps.signals.domain.subject import subject
from apps.signals.domain.verdict import Verdict
from apps.signals.selectors import SignalView, Standing
from apps.signals.services import Decided
from tradebot.contracts.errors import NotConfigured, TransientError
from tradebot.contracts.messages import AnalysisSignal, Features
from workers.stage import stage

_lock = threading.Lock()
_panel: Panel | None = None


def get_panel() -> Panel:
    """This process's analyzers, made on first use: models must not be loaded before a fork."""
    global _panel  # noqa: PLW0603 - one panel a process
    with _lock:
        if _panel is None:
            config: Mapping[str, Mapping[str, Any]] = getattr(settings, "ANALYZERS", {})
            plugins = load_analyzers(
                {**config, "minilm": {"threads": settings.MODEL_THREADS, **config.get("minilm", {})}}
            )
            if not plugins:
                raise NotConfigured("no analyzer is configured; see ANALYZERS in the settings")
            _panel = Panel(plugins)
        return _panel


@stage("analyze")
def analyze(batch: list[Features]) -> list[AnalysisSignal]:
    """Signals of the posts that are about a coin. A post judged before gives the signals stored then."""
    by_post = {UUID(post.post_id): post for post in batch}
    known = selectors.standings(list(by_post))
    done = {post_id for post_id, standing in known.items() if standing.judged}
    fresh = {post_id: post for post_id, post in by_post.items() if post_id not in done}
    if missing := fresh.keys() - known.keys():
        raise TransientError(f"post {min(missing)} is not recorded yet")
    stored = {post_id: [signal] for post_id, signal in _judge(fresh, known).items()}
    if done:
        stored.update(selectors.signals_of_posts(list(done)))
    return [_message(signal, by_post[post_id]) for post_id, signals in stored.items() for signal in signals]


def _judge(fresh: Mapping[UUID, Features], known: Mapping[UUID, Standing]) -> dict[UUID, SignalView]:
    if not fresh:
        return {}
    panel = get_panel()
    verdicts = panel.judge(list(fresh.values()))
    return services.record(
        decided=[
            _decided(post, known[post_id].story_id, each, panel.quorum)
            for (post_id, post), each in zip(fresh.items(), verdicts, strict=True)
        ]
    )


def _decided(post: Features, story_id: UUID, verdicts: Sequence[Verdict], quorum: int) -> Decided:
    sound = tuple(checked(verdict, post.text, post.images) for verdict in verdicts)
    return Decided(
        post_id=UUID(post.post_id),
        story_id=story_id,
        coins=subject(post.text, post.tickers, post.nearest),
        sources=_sources(post),
        timestamp=post.timestamp,
        owner_id=UUID(post.owner_id) if post.owner_id else None,
        verdicts=sound,
        judgement=combine(sound, quorum),
    )


def _sources(post: Features) -> tuple[str, ...]:
    names = dict.fromkeys(name for name in (post.channel, post.author) if name)
    return tuple(f"{post.source}:{name}" for name in names)


def _message(signal: SignalView, post: Features) -> AnalysisSignal:
    return AnalysisSignal(
        id=str(signal.id),
        parent_id=post.id,
        root_id=post.root_id,
        seen_at=post.seen_at,
        stages=post.stages,
        signal_id=str(signal.id),
        type=signal.type,
        confidence=signal.confidence,
        coins=list(signal.coins),
        evidence=list(signal.evidence),
        sources=list(signal.sources),
        timestamp=signal.timestamp,
        event=signal.event,
        post_id=str(signal.post_id),
        owner_id=str(signal.owner_id) if signal.owner_id else None,
    )
