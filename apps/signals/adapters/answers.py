"""How an analyzer plugin says what it thinks: an AnalysisSignal without a post, and back to a verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from apps.signals.domain.beliefs import sound
from apps.signals.domain.verdict import Verdict
from tradebot.contracts.messages import AnalysisSignal, Beliefs, Evidence, TradeCall
from tradebot.contracts.ports import AnalyzerPlugin
from tradebot.contracts.values import Direction


def answer(
    name: str,
    direction: Direction,
    confidence: float,
    evidence: Sequence[Evidence] = (),
    event: str = "",
    *,
    mood: str = "",
    call: TradeCall | None = None,
    beliefs: Beliefs | None = None,
) -> AnalysisSignal:
    """What `analyze` returns. The ensemble fills in post, coins and ids; confidence 0 abstains.

    `beliefs`: all that it holds for possible, where it knows more than one direction with one confidence."""
    now = datetime.now(UTC)
    return AnalysisSignal(
        id=name,
        root_id="",
        seen_at=now,
        signal_id="",
        type=direction,
        confidence=confidence,
        coins=[],
        evidence=list(evidence),
        sources=[],
        timestamp=now,
        event=event,
        mood=mood,
        call=call,
        beliefs=beliefs,
    )


def verdict(plugin: AnalyzerPlugin, said: AnalysisSignal | Exception) -> Verdict:
    """Read a plugin's answer; raises ValueError where it is not one. An exception in a post's place is its error."""
    if isinstance(said, Exception):
        return failed(plugin, str(said))
    if not isinstance(said, AnalysisSignal) or said.type not in list(Direction):
        raise ValueError("an analyzer must answer with an AnalysisSignal")
    if not 0 <= said.confidence <= 1:
        raise ValueError(f"confidence {said.confidence} is not within 0..1")
    if not all(math.isfinite(each.weight) for each in said.evidence):
        raise ValueError("the weight of a quote is not a finite number")
    return Verdict(
        analyzer=plugin.name,
        version=plugin.version,
        weight=plugin.weight if said.confidence > 0 else 0.0,
        direction=Direction(said.type),
        confidence=float(said.confidence),
        evidence=tuple(said.evidence),
        event=said.event,
        mood=said.mood,
        call=said.call,
        beliefs=_believed(said),
        emphasis=getattr(plugin, "emphasis", {}),
        advisory=advisory(plugin),
    )


def _believed(said: AnalysisSignal) -> Beliefs | None:
    if said.beliefs is None or said.confidence == 0:
        return None
    chances = sound(said.beliefs).direction
    if chances and chances.get(said.type, 0.0) < max(chances.values()):
        raise ValueError(f"it says {said.type} and believes something else")
    return said.beliefs


def failed(plugin: AnalyzerPlugin, reason: str) -> Verdict:
    """The place of an answer that did not come."""
    return Verdict(
        analyzer=plugin.name, version=plugin.version, weight=0.0, error=reason[:500], advisory=advisory(plugin)
    )


def advisory(plugin: AnalyzerPlugin) -> bool:
    """Whether the plugin gives advice only: its `advisory`, which a plugin need not have."""
    return bool(getattr(plugin, "advisory", False))
