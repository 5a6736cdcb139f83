"""The analyze stage: all analyzers judge a post, and one signal with its evidence comes of it, once."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from prometheus_client import Counter

from apps.signals import selectors, services
from apps.signals.adapters.panel import Panel
from apps.signals.adapters.registry import load_analyzers
from apps.signals.adapters.weighing import Weighing
from apps.signals.domain.manipulation import Market
from apps.signals.selectors import SignalView, Standing
from apps.signals.services import Decided
from tradebot.contracts.errors import NotConfigured, TransientError
from tradebot.contracts.messages import AnalysisSignal, Features
from workers.judging import Meaning, calling, meaning, sources
from workers.market import markets_of
from workers.stage import stage

JOINED = Counter("tradebot_posts_joined_total", "Posts that tell a story which another post had told before.")
SHADOWED = Counter(
    "tradebot_signals_shadowed_total", "Signals by which nothing real may be ordered, by reason.", ["why"]
)

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
            _panel = Panel(plugins, weigh=Weighing())
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
    meanings = [meaning(post, each, panel.quorum) for post, each in zip(fresh.values(), verdicts, strict=True)]
    markets = markets_of({coin for meant in meanings if meant.calls for coin in meant.coins})
    decided = [
        _decided(post, known[post_id].story_id, meant, markets)
        for (post_id, post), meant in zip(fresh.items(), meanings, strict=True)
    ]
    now = timezone.now()
    stored = services.record(decided=decided, now=now)
    _count(signal for signal in stored.values() if signal.created_at == now)
    return stored


def _decided(post: Features, story_id: UUID, meant: Meaning, markets: Mapping[str, Market]) -> Decided:
    signal_id = services.signal_id(story_id, meant.judgement.direction)
    return Decided(
        post_id=UUID(post.post_id),
        story_id=story_id,
        coins=meant.coins,
        sources=sources(post),
        timestamp=post.timestamp,
        owner_id=UUID(post.owner_id) if post.owner_id else None,
        verdicts=meant.verdicts,
        judgement=meant.judgement,
        calling=calling(post, signal_id, meant, markets) if meant.calls else None,
    )


def _count(made: Iterable[SignalView]) -> None:
    for signal in made:
        told = signal.versions.get("story", {})
        if told.get("joined"):
            JOINED.inc()
        for why in told.get("doubts", ()):
            SHADOWED.labels(why).inc()


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
        mood=signal.mood,
        call=signal.call,
        cluster_id=str(signal.cluster_id) if signal.cluster_id else "",
        shadow=signal.shadow,
        post_id=str(signal.post_id),
        owner_id=str(signal.owner_id) if signal.owner_id else None,
    )
