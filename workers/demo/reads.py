"""Reads what the pipeline wrote about the sample posts, for the table at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from apps.signals.models import Signal
from apps.sources.domain.identity import post_id
from apps.sources.models import Post
from apps.strategies.models import Match
from apps.trading.models import Command, Order
from tradebot.contracts.values import Direction
from tradebot.messaging.models import DeadLetter
from workers.demo.script import Beat
from workers.demo.story import Chapter, DecisionTold, OrderTold


def chapters(beats: Sequence[Beat]) -> list[Chapter]:
    """What became of each post by now."""
    keys = [UUID(str(post_id(beat.message))) for beat in beats]
    posts = Post.objects.in_bulk(keys)
    signals = _signals([post.story_id for post in posts.values()])
    dead = _dead([beat.message.root_id for beat in beats])
    return [_chapter(beat, posts.get(key), signals, dead) for beat, key in zip(beats, keys, strict=True)]


def _signals(stories: Sequence[UUID]) -> Mapping[UUID, Signal]:
    found = Signal.objects.filter(post__story_id__in=stories).select_related("post").order_by("created_at")
    by_story: dict[UUID, Signal] = {}
    for signal in found:
        if signal.post.story_id not in by_story or signal.type != Direction.NEUTRAL:
            by_story[signal.post.story_id] = signal
    return by_story


def _dead(roots: Sequence[str]) -> Mapping[str, str]:
    letters = DeadLetter.objects.filter(root_ids__overlap=list(roots))
    return {root: letter.reason for letter in letters for root in letter.root_ids}


def _chapter(beat: Beat, post: Post | None, signals: Mapping[UUID, Signal], dead: Mapping[str, str]) -> Chapter:
    root = beat.message.root_id
    if root in dead:
        return Chapter(beat, "dead", reason=dead[root])
    if post is None:
        return Chapter(beat, "missing")
    if post.root_id != root:
        return Chapter(beat, "duplicate")
    signal = signals.get(post.story_id)
    if signal is None:
        return Chapter(beat, "fresh")
    if signal.post_id != post.pk:
        return Chapter(beat, "edited", signal=_said(signal))
    tradable = signal.type != Direction.NEUTRAL
    return Chapter(beat, "fresh", _said(signal), tradable, decisions=_decisions(signal) if tradable else ())


def _said(signal: Signal) -> str:
    coins = " ".join(signal.coins[:3]) or "no coin"
    return f"{signal.type} {coins} {signal.confidence:.2f}"


def _decisions(signal: Signal) -> tuple[DecisionTold, ...]:
    matches = Match.objects.filter(signal_id=signal.pk).select_related("strategy").order_by("strategy__name")
    return tuple(_decision(match, signal) for match in matches)


def _decision(match: Match, signal: Signal) -> DecisionTold:
    name = match.strategy.name
    if not match.matched:
        return DecisionTold(name, False, match.reason, match.detail)
    commands = list(
        Command.objects.filter(signal_id=str(signal.pk), strategy_id=str(match.strategy_id)).order_by("created_at")
    )
    orders = Order.objects.filter(command__in=commands).order_by("created_at", "attempt")
    newest = {order.command_id: order for order in orders}
    refused = next((command for command in commands if command.state == "DENIED"), None)
    return DecisionTold(
        name,
        True,
        refused.code if refused else "",
        refused.reason if refused else "",
        tuple(map(_order, newest.values())),
        signal.shadow,
    )


def _order(order: Order) -> OrderTold:
    return OrderTold(
        leg=order.leg,
        side=order.side,
        pair=order.pair,
        type=order.type,
        amount=order.amount,
        status=order.status,
        filled=order.filled,
        price=order.average or order.stop_price or order.price,
        reason=order.reason,
    )
