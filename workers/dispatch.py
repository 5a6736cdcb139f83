"""Whose strategy does a signal concern: match every active strategy, record each verdict, give the trade commands."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.exchanges import selectors as exchanges
from apps.signals import services as signals
from apps.sources import selectors as sources
from apps.strategies import selectors, services
from apps.strategies.adapters.cache import hot
from apps.strategies.domain import orders
from apps.strategies.domain.cooling import settle
from apps.strategies.domain.matching import Account, ActiveStrategy, Matched, PostView, Reason, Surroundings, match
from apps.strategies.services import Decision
from tradebot.contracts.errors import InvalidField
from tradebot.contracts.messages import AnalysisSignal, TradeCommand, from_wire, to_wire
from tradebot.contracts.values import Pair
from workers import venues
from workers.stage import stage

Verdict = tuple[ActiveStrategy, AnalysisSignal, Matched]
Act = tuple[UUID, UUID]
"""A strategy and a story that it acted on."""


@stage("dispatch")
def dispatch(batch: list[AnalysisSignal]) -> list[TradeCommand]:
    """Decide about every signal once; a signal that comes again gets the commands that it got before."""
    given = {_uuid("signal_id", signal.signal_id): signal for signal in reversed(batch)}
    asked = {signal_id: given[signal_id] for signal_id in reversed(given)}
    posts = _posts(asked.values())
    strategies = hot().load(selectors.active())
    stories = {_uuid("cluster_id", signal.cluster_id) for signal in asked.values() if signal.cluster_id}
    with transaction.atomic():
        earlier = services.lock_signals(asked, stories)
        # Marked but without a match: nobody had a strategy then. That is a decision too.
        due = signals.mark_dispatched(list(asked)) - earlier.commands.keys()
        fresh = [signal for signal_id, signal in asked.items() if signal_id in due]
        decided = _decide(fresh, posts, strategies, timezone.now(), earlier.acted)
    again = [from_wire(TradeCommand, command) for commands in earlier.commands.values() for command in commands]
    return [*again, *decided]


def _decide(
    fresh: Sequence[AnalysisSignal],
    posts: dict[str, PostView],
    strategies: Sequence[ActiveStrategy],
    now: datetime,
    acted: Collection[Act],
) -> list[TradeCommand]:
    around = _surroundings(strategies, now)
    decisions: list[Decision] = []
    matches: list[Verdict] = []
    for signal in fresh:
        for strategy in strategies:
            verdict = match(strategy, signal, posts[signal.post_id], around)
            if isinstance(verdict, Matched):
                matches.append((strategy, signal, verdict))
            else:
                decisions.append(_refused(strategy, signal, verdict.reason, verdict.detail))
    due, told = _once_a_story(matches, acted)
    commands, settled = _settle(due, posts, now, around.tradable)
    services.record_matches([*decisions, *told, *settled], now)
    return commands


def _once_a_story(matches: Sequence[Verdict], acted: Collection[Act]) -> tuple[list[Verdict], list[Decision]]:
    """Of the posts that tell one story a strategy acts on the first that it may act on; a shadow is no act."""
    done = set(acted)
    due: list[Verdict] = []
    decisions: list[Decision] = []
    for strategy, signal, matched in matches:
        act = (strategy.id, UUID(signal.cluster_id)) if signal.cluster_id else None
        if act is not None and act in done:
            told = "the strategy acted on this story before: another post told it"
            decisions.append(_refused(strategy, signal, Reason.STORY, told))
            continue
        due.append((strategy, signal, matched))
        if act is not None and not signal.shadow:
            done.add(act)
    return due, decisions


def _settle(
    matches: Sequence[Verdict],
    posts: dict[str, PostView],
    now: datetime,
    tradable: Callable[[str, str, str], bool],
) -> tuple[list[TradeCommand], list[Decision]]:
    # A shadow takes no cool-down: it must not keep an honest post from acting.
    real = [(strategy, matched) for strategy, signal, matched in matches if not signal.shadow]
    free = iter(settle(real, now, lambda claims: services.claim_cooldowns(claims, now)))
    coins = [matched.coins[0] if signal.shadow else next(free) for _, signal, matched in matches]
    commands: list[TradeCommand] = []
    decisions: list[Decision] = []
    placed: list[tuple[Verdict, str]] = []
    for (strategy, signal, matched), coin in zip(matches, coins, strict=True):
        if coin is None:
            told = f"the strategy acted on {', '.join(matched.coins)} less than {strategy.spec.cooldown} ago"
            decisions.append(_refused(strategy, signal, Reason.COOLDOWN, told))
            continue
        placed.append(((strategy, signal, _placed(strategy, matched, coin, tradable)), coin))
    prices = venues.prices((matched, Pair(coin, strategy.spec.quote)) for (strategy, _, matched), coin in placed)
    for ((strategy, signal, matched), coin), price in zip(placed, prices, strict=True):
        command = orders.command(strategy, signal, posts[signal.post_id], matched, coin, price=price)
        commands.append(command)
        decisions.append(_accepted(strategy, signal, command, coin))
    return commands, decisions


def _placed(
    strategy: ActiveStrategy, matched: Matched, coin: str, tradable: Callable[[str, str, str], bool]
) -> Matched:
    """The match with its account: chosen now, for this coin, if the strategy leaves that to us."""
    if not matched.choices:
        return matched
    account, scores = venues.choose(strategy, matched, coin, tradable)
    return replace(matched, account=account, venues=tuple(scores))


def _refused(strategy: ActiveStrategy, signal: AnalysisSignal, reason: Reason, detail: str) -> Decision:
    return Decision(strategy.id, UUID(signal.signal_id), strategy.version, reason, detail)


def _accepted(strategy: ActiveStrategy, signal: AnalysisSignal, command: TradeCommand, coin: str) -> Decision:
    return Decision(
        strategy_id=strategy.id,
        signal_id=UUID(signal.signal_id),
        version=strategy.version,
        detail=orders.sentence(signal, command),
        coin=coin,
        pair=command.pair,
        command=to_wire(command),
    )


def _surroundings(strategies: Sequence[ActiveStrategy], now: datetime) -> Surroundings:
    @cache
    def accounts() -> dict[selectors.AccountKey, Account]:
        return selectors.accounts_of((strategy.user_id, strategy.spec.credential_id) for strategy in strategies)

    @cache
    def all_accounts() -> dict[UUID, tuple[Account, ...]]:
        return selectors.all_accounts_of(strategy.user_id for strategy in strategies if strategy.spec.venue)

    return Surroundings(
        now,
        lambda user_id, chosen: accounts().get((user_id, chosen)),
        cache(_tradable),
        lambda user_id: all_accounts().get(user_id, ()),
    )


def _tradable(venue: str, base: str, quote: str) -> bool:
    return exchanges.tradable(venue, base, quote) is not None


def _posts(asked: Iterable[AnalysisSignal]) -> dict[str, PostView]:
    """By the id that the signals use. Raises InvalidField if one is gone: without it no source can be checked."""
    ids = {signal.post_id: _uuid("post_id", signal.post_id) for signal in asked}
    found = sources.posts(list(ids.values()))
    pictured = [post_id for post_id, post in found.items() if post.media_urls]
    images = sources.images_of(pictured) if pictured else {}
    if gone := [name for name, post_id in ids.items() if post_id not in found]:
        raise InvalidField("post_id", f"there is no post {', '.join(gone)}; it may have been deleted")
    return {name: _comparable(found[post_id], images.get(post_id, [])) for name, post_id in ids.items()}


def _comparable(post: sources.PostView, images: Sequence[sources.PostImageView]) -> PostView:
    return PostView.of(
        source=post.source,
        author=post.author,
        channel=post.channel,
        text="\n".join([post.text, *(image.text for image in images)]),
        timestamp=post.posted_at,
        owner=str(post.owner_id or ""),
    )


def _uuid(field: str, text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidField(field, f"{text[:80]!r} is not a UUID") from None
