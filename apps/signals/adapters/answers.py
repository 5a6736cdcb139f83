"""How an analyzer plugin says what it thinks: an AnalysisSignal without a post, and back to a verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from apps.signals.domain.verdict import Verdict
from tradebot.contracts.messages import AnalysisSignal, Evidence
from tradebot.contracts.ports import AnalyzerPlugin
from tradebot.contracts.values import Direction


def answer(
    name: str, direction: Direction, confidence: float, evidence: Sequence[Evidence] = (), event: str = ""
) -> AnalysisSignal:
    """What `analyze` returns. The ensemble fills in post, coins and ids; confidence 0 abstains."""
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
    )


def verdict(plugin: AnalyzerPlugin, said: AnalysisSignal) -> Verdict:
    """Read a plugin's answer; raises ValueError where it is not one."""
    if not isinstance(said, AnalysisSignal) or said.type not in list(Direction):
        raise ValueError("an analyzer must answer with an AnalysisSignal")
    if not 0 <= said.confidence <= 1:
        raise ValueError(f"confidence {said.confidence} is not within 0..1")
    if not all(math.isfinite(each.weight) for each in said.evidence):
        raise ValueError("the weight of a quote is not a finite number")
    return Verdict(
        analyzer=plugin.name,
        version=plugin.version,
        weight=max(0.0, plugin.weight) if said.confidence > 0 else 0.0,
        direction=Direction(said.type),
        confidence=float(said.confidence),
        evidence=tuple(said.evidence),
        event=said.event,
    )


def failed(plugin: AnalyzerPlugin, reason: str) -> Verdict:
    """The place of an answer that did not come."""
    return Verdict(analyzer=plugin.name, version=plugin.version, weight=0.0, error=reason[:500])
