"""Why did I trade? One order told from the post that caused it to its last fill, out of every room's rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from apps.signals import selectors as signals
from apps.signals.selectors import AnalysisView, SignalView
from apps.sources import selectors as sources
from apps.sources.selectors import PostImageView, PostView
from apps.strategies import selectors as strategies
from apps.trading.domain.numbers import plain
from apps.trading.domain.slippage import Slippage, slippage
from apps.trading.domain.timeline import Span, timeline
from apps.trading.models import Command, ExecutionReport, Fill, Order
from apps.trading.selectors import OrderView, view
from tradebot.contracts.messages import Evidence, to_wire


@dataclass(frozen=True, slots=True)
class Receipt:
    """What led to a command and what became of it. Parts that don't exist are None or empty: an order's own parts for a
    command that was denied, the post of a command that came from elsewhere.

    `decision`: every check with its numbers, the size, and what was decided before. `venues`: the accounts that were
    compared, best first, each with its scores. `slippage`: against the decision's price and the signal's. `stages`:
    {stage: [start, end]} of the post's way here; `timeline`: the same and ours, as waiting and working, in ms.
    """

    command: dict[str, Any]
    post: dict[str, Any] | None
    images: list[dict[str, Any]]
    analyses: list[dict[str, Any]]
    signal: dict[str, Any] | None
    match: dict[str, Any] | None
    decision: dict[str, Any]
    venues: list[dict[str, Any]]
    order: OrderView | None
    client_id: str
    venue_order_id: str
    attempt: int
    attempts: list[dict[str, Any]]
    fills: list[dict[str, Any]]
    fees: dict[str, str]
    reports: list[dict[str, Any]]
    slippage: list[Slippage]
    stages: dict[str, Any]
    times: dict[str, datetime | None]
    timeline: list[Span]
    signal_id: str
    strategy_id: str


def of_order(order_id: UUID) -> Receipt | None:
    """The receipt of an order; who may see it is the caller's to check."""
    row = Order.objects.select_related("command").filter(pk=order_id).first()
    return _receipt(row.command, row) if row else None


def of_command(command_id: UUID) -> Receipt | None:
    """The receipt of a command, with its last order if it made one."""
    command = Command.objects.filter(pk=command_id).first()
    if command is None:
        return None
    return _receipt(command, command.orders.select_related("command").order_by("-attempt").first())


def written(receipt: Receipt) -> dict[str, Any]:
    """The receipt in JSON's types, its numbers as plain text."""
    told: dict[str, Any] = _plainly(asdict(receipt))
    return told


def _plainly(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, dict):
        return {name: _plainly(inner) for name, inner in value.items()}
    return [_plainly(inner) for inner in value] if isinstance(value, list | tuple) else value


def _receipt(command: Command, order: Order | None) -> Receipt:
    signal = _signal(command.signal_id)
    post = sources.posts([signal.post_id]).get(signal.post_id) if signal else None
    times = _times(command, order)
    return Receipt(
        command=_command(command),
        post=_post(post) if post else None,
        images=_images(post.id, signal.evidence if signal else ()) if post else [],
        analyses=[_analysis(analysis) for analysis in signals.analyses(post.id)] if post else [],
        signal=_told(signal) if signal else None,
        match=_match(command),
        decision=command.decision,
        venues=list(command.decision.get("venues") or []),
        order=view(order) if order else None,
        client_id=order.client_id if order else "",
        venue_order_id=order.venue_order_id if order else "",
        attempt=order.attempt if order else 0,
        attempts=[_attempt(row) for row in command.orders.order_by("attempt")],
        fills=[_fill(fill) for fill in order.fills.order_by("at", "id")] if order else [],
        fees=order.fee if order else {},
        reports=[_report(report) for report in order.reports.order_by("id")] if order else [],
        slippage=_slippage(command.decision, order),
        stages=command.stages,
        times=times,
        timeline=timeline(command.seen_at, command.stages, times),
        signal_id=command.signal_id,
        strategy_id=command.strategy_id,
    )


def _signal(signal_id: str) -> SignalView | None:
    key = _uuid(signal_id)
    return signals.signals_by_id([key]).get(key) if key else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _post(post: PostView) -> dict[str, Any]:
    """With the hash of the text that was judged: whoever has the post can check that it was this one."""
    names = ("id", "source", "channel", "author", "native_id", "revision", "url", "text", "language", "posted_at")
    told = {name: getattr(post, name) for name in (*names, "seen_at")}
    return {**told, "sha256": hashlib.sha256(post.text.encode()).hexdigest()}


def _images(post_id: UUID, evidence: Sequence[Evidence]) -> list[dict[str, Any]]:
    """The pictures with their lines; `decided`: what the signal quotes of a line, where it does."""
    quotes: dict[str, list[str]] = {}
    for piece in evidence:
        if piece.box:
            quotes.setdefault(_corners(piece.box), []).append(piece.quote)
    return [_image(image, quotes) for image in sources.post_images(post_id)]


def _image(image: PostImageView, quotes: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    names = ("index", "url", "sha256", "text", "language", "engine", "confidence", "error")
    boxes = [
        {
            "text": box.text,
            "confidence": box.confidence,
            "points": box.points,
            "unsure": box.unsure,
            "decided": [quote for quote in quotes.get(_corners(box.points), ()) if quote in image.text],
        }
        for box in image.boxes
    ]
    return {**{name: getattr(image, name) for name in names}, "boxes": boxes}


def _corners(points: Sequence[Sequence[float]]) -> str:
    """A box to compare by; corners are kept as they were read."""
    return " ".join(f"{x:g},{y:g}" for x, y in points)


def _analysis(analysis: AnalysisView) -> dict[str, Any]:
    names = ("analyzer", "model_version", "direction", "confidence", "event", "error")
    return {**{name: getattr(analysis, name) for name in names}, "evidence": _evidence(analysis.evidence)}


def _told(signal: SignalView) -> dict[str, Any]:
    names = ("id", "type", "confidence", "event", "mood", "timestamp", "versions", "created_at", "cluster_id", "shadow")
    told = {name: getattr(signal, name) for name in names}
    return told | {
        "coins": list(signal.coins),
        "sources": list(signal.sources),
        "evidence": _evidence(signal.evidence),
        "call": to_wire(signal.call) if signal.call else None,
    }


def _evidence(evidence: Sequence[Evidence]) -> list[dict[str, Any]]:
    """`span`: where the quote stands in the post's text; `box`: its corners in pixels of a picture."""
    names = ("kind", "quote", "weight", "model", "span", "box")
    return [{name: getattr(piece, name) for name in names} for piece in evidence]


def _match(command: Command) -> dict[str, Any] | None:
    strategy, signal = _uuid(command.strategy_id), _uuid(command.signal_id)
    found = strategies.decision(strategy, signal) if strategy and signal else None
    if found is None:
        return None
    return {name: value for name, value in asdict(found).items() if name != "signal_id"}


def _command(command: Command) -> dict[str, Any]:
    names = ("id", "action", "leg", "mode", "pair", "exchange", "amount_type", "amount", "conditions", "expires_at")
    return {name: getattr(command, name) for name in (*names, "state", "code", "reason")}


def _attempt(order: Order) -> dict[str, Any]:
    names = ("id", "attempt", "client_id", "venue_order_id", "type", "status", "amount", "filled", "reason")
    return {name: getattr(order, name) for name in (*names, "created_at", "submitted_at", "acked_at")}


def _fill(fill: Fill) -> dict[str, Any]:
    names = ("trade_id", "side", "amount", "price", "fee", "fee_currency", "realised_quote", "at")
    return {name: getattr(fill, name) for name in names}


def _report(report: ExecutionReport) -> dict[str, Any]:
    return {"kind": report.kind, "data": report.data, "at": report.at}


def _slippage(decision: dict[str, Any], order: Order | None) -> list[Slippage]:
    if order is None or order.average is None:
        return []
    sized = decision.get("order") or {}
    asked = {"decision": sized.get("reference"), "signal": decision.get("signal_price")}
    return [
        slippage(since, Decimal(price), order.average, order.filled, order.side)
        for since, price in asked.items()
        if price
    ]


def _times(command: Command, order: Order | None) -> dict[str, datetime | None]:
    return {
        "seen_at": command.seen_at,
        "received_at": command.created_at,
        "decided_at": command.decided_at,
        "submitted_at": order.submitted_at if order else None,
        "acked_at": order.acked_at if order else None,
    }
