"""The trade command that a match gives."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from apps.strategies.domain.matching import ActiveStrategy, Matched, PostView
from apps.strategies.domain.spec import Terms
from tradebot.contracts.ids import stable_id
from tradebot.contracts.messages import AnalysisSignal, Condition, TradeCommand
from tradebot.contracts.values import Action, AmountType, ConditionKind, Mode, Pair


def command(
    strategy: ActiveStrategy,
    signal: AnalysisSignal,
    post: PostView,
    matched: Matched,
    coin: str,
    *,
    price: Decimal | None = None,
) -> TradeCommand:
    """Trade `coin`, which costs `price` now if that is known, as the strategy says. It expires `max_signal_age` after
    the post's own time. By a signal that is only a shadow nothing real is ordered."""
    return TradeCommand(
        id=str(stable_id("command", strategy.id, signal.signal_id, matched.leg)),
        root_id=signal.root_id,
        parent_id=signal.id,
        seen_at=signal.seen_at,
        stages=signal.stages,
        user_id=str(strategy.user_id),
        action=matched.action,
        pair=str(Pair(coin, strategy.spec.quote)),
        amount_type=AmountType.PERCENTAGE,
        amount=matched.terms.percentage,
        conditions=_conditions(matched.terms),
        signal_id=signal.signal_id,
        strategy_id=str(strategy.id),
        credential_id=str(matched.account.credential_id),
        leg=matched.leg,
        expires_at=_expires_at(strategy, post),
        exchange=matched.account.venue,
        mode=Mode.SHADOW if signal.shadow else strategy.spec.mode,
        venues=list(matched.venues),
        signal_price=price,
    )


def _expires_at(strategy: ActiveStrategy, post: PostView) -> datetime:
    return post.timestamp + strategy.spec.max_signal_age


def sentence(signal: AnalysisSignal, order: TradeCommand) -> str:
    """What was decided, for a person: `bullish 0.92 from twitter:elonmusk: buy BTC/USDT with 30 % of free USDT`."""
    base, quote = order.pair.split("/")
    share = f"with {order.amount.normalize():f} % of free {quote}"
    if order.action is Action.SELL:
        share = f"{order.amount.normalize():f} % of the bot's {base}"
    told = "".join(f", {term.kind} {term.value}" for term in order.conditions)
    source = ", ".join(signal.sources[:2])
    shadow = f"; only a shadow: {signal.shadow}" if signal.shadow else ""
    return f"{signal.type} {signal.confidence:.2f} from {source}: {order.action} {order.pair} {share}{told}{shadow}"


def _conditions(terms: Terms) -> list[Condition]:
    kinds: tuple[tuple[ConditionKind, Decimal | str | None], ...] = (
        (ConditionKind.MAX_AMOUNT, terms.max_amount),
        (ConditionKind.STOP_LOSS, terms.stop_loss),
        (ConditionKind.TAKE_PROFIT, terms.take_profit),
        (ConditionKind.TRAILING_STOP, terms.trailing_stop),
        (ConditionKind.ORDER_TYPE, terms.order_type),
    )
    return [Condition(kind=kind, value=_text(value)) for kind, value in kinds if value is not None]


def _text(value: Decimal | str) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
