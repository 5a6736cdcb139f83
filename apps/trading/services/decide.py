"""The decision: risk, size and the order's row in one transaction under the account's lock, before any socket opens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, connection, transaction

from apps.trading.domain import protection, risk, sizing
from apps.trading.domain.inputs import moment, number
from apps.trading.domain.numbers import exact, plain, usable
from apps.trading.domain.sizing import Ask, Denial, Sized
from apps.trading.domain.states import IN_DOUBT, LIVE, CommandState, OrderStatus
from apps.trading.models import Command, Order
from apps.trading.services import reads, writes
from apps.trading.services.intake import GIVEN
from apps.trading.services.losses import losses_today
from apps.trading.services.outcomes import PROOF_AFTER, Overtaken, order_id
from apps.trading.services.purse import purse
from apps.trading.services.reads import Before, Promise, Stand
from tradebot.contracts.errors import InvalidField, VenueRejected
from tradebot.contracts.ports import Balance, Depth, Market, Ticker, Venue
from tradebot.contracts.values import ZERO, Action, AmountType, ConditionKind, Leg, Mode, OrderType, Pair

PRICE_SECONDS = 1.0
"""How old a price may be that an order's size is reckoned with: many users often want the same price at once."""
_NOTHING = Balance(ZERO, ZERO)
_MISSING = [status.value for status in (IN_DOUBT | {OrderStatus.INTENT})]


@dataclass(frozen=True, slots=True)
class Look:
    """What the venue showed, and the account's count when it was asked: younger orders may not be in its balances."""

    pair: Pair
    sequence: int
    market: Market | None
    ticker: Ticker
    quote: Balance
    base: Balance
    depth: Decimal | None = None


# --- before the lock -------------------------------------------------------------------------------------------------


def refusal(command: Command, now: datetime) -> Denial | None:
    """Why `command` can't be carried out, as far as that can be said without asking anybody."""
    stale = risk.first_failed(risk.assess((), risk.Numbers(Leg(command.leg), "", now, command.expires_at)))
    if stale:
        waited = f"; until then: {command.reason}" if command.reason else ""
        return Denial(stale.name, f"{stale.reason}{waited}")
    if (command.leg == Leg.ENTRY) != (command.action == Action.BUY):
        return Denial("wrong_action", f"a spot account can't {command.action} as {command.leg}")
    try:
        Pair.parse(command.pair)
    except InvalidField as error:
        return Denial("unknown_pair", error.reason)
    terms = protection.terms(conditions(command))
    return terms if isinstance(terms, Denial) else _unreadable(command)


def _unreadable(command: Command) -> Denial | None:
    asked = conditions(command)
    for kind in (ConditionKind.MAX_AMOUNT, ConditionKind.LIMIT_PRICE):
        if kind in asked and number(asked[kind]) is None:
            return Denial("bad_condition", f"{kind} must be a plain number, not {asked[kind]!r}")
    if asked.get(ConditionKind.ORDER_TYPE, OrderType.MARKET) not in {OrderType.MARKET, OrderType.LIMIT}:
        return Denial("bad_condition", f"order_type must be market or limit, not {asked[ConditionKind.ORDER_TYPE]!r}")
    if (ends := asked.get(ConditionKind.EXPIRES_AT)) is not None and moment(ends) is None:
        return Denial("bad_condition", f"expires_at must be a time with its zone (2026-01-31T12:00:00Z), not {ends!r}")
    return None


def conditions(command: Command) -> dict[str, str]:
    """{kind: value}; a kind given twice counts as last given."""
    return {item["kind"]: item["value"] for item in command.conditions}


def look(venue: Venue, command: Command, before: Before) -> Look | Denial:
    """Ask the venue for rules, prices and balances, and for the book of an entry whose policy limits its share of it;
    `before`: what was known then. Raises VenueUnavailable."""
    try:
        return _look(venue, command, before)
    except VenueRejected as error:
        said = f"{error.code} {error.reason}".strip()
        return Denial("refused_by_exchange", f"{command.exchange} refuses to answer for this account: {said}")


def _look(venue: Venue, command: Command, before: Before) -> Look | Denial:
    pair = Pair.parse(command.pair)
    market = venue.market(pair)
    if market is None or not market.active:
        return Denial("unknown_pair", f"{pair} is not traded at {command.exchange} now")
    ticker = venue.ticker(pair, max_age=PRICE_SECONDS)
    known = purse.look(command.credential_id, before.sequence, venue.balances)
    wanted = before.book and command.leg == Leg.ENTRY
    return Look(
        pair=pair,
        sequence=known.sequence,
        market=market,
        ticker=ticker,
        quote=known.balances.get(pair.quote, _NOTHING),
        base=known.balances.get(pair.base, _NOTHING),
        depth=_visible(venue.depth(pair, max_age=PRICE_SECONDS)) if wanted else None,
    )


@exact
def _visible(book: Depth) -> Decimal | None:
    """What all sell orders that the venue shows cost; None for a book that makes no sense."""
    asks = [level for level in book.asks if usable(level.price) and usable(level.amount)]
    if not asks or (book.bids and book.bids[0].price > asks[0].price):
        return None
    return sum((level.price * level.amount for level in asks), ZERO)


# --- under the lock --------------------------------------------------------------------------------------------------


def decide(command: Command, seen: Look, attempt: int, now: datetime) -> Order | None:
    """Write the decision about `command` and, if it may be placed, its order: committed when this returns.

    Returns None when it was denied or is a shadow. Raises Overtaken when another process decided it meanwhile.
    """
    try:
        with transaction.atomic(durable=True):
            return _decide(command, seen, attempt, now)
    except IntegrityError:
        raise Overtaken from None


def _decide(command: Command, seen: Look, attempt: int, now: datetime) -> Order | None:
    stand = reads.locked_stand(
        command.credential_id, command.user_id, seen.pair.base, seen.pair.quote, since=seen.sequence, now=now
    )
    if attempt > 1 and attempted(command, attempt):
        raise Overtaken
    sized, checks = _judge(command, seen, stand, now)
    failed = risk.first_failed(checks)
    denial = Denial(failed.name, failed.reason) if failed else sized if isinstance(sized, Denial) else None
    state = CommandState.DENIED if denial else _go(command)
    _note(command, state, denial, _told(command, seen, sized, checks, attempt), now)
    order = None
    if state == CommandState.ORDERED and isinstance(sized, Sized):
        order = _order(command, sized, attempt, stand.sequence, now, blocked=_locked_base(stand, seen) > 0)
    _store([row for row in (command, order) if row is not None and row._state.adding])
    return order


def attempted(command: Command, attempt: int) -> bool:
    """Whether this attempt was made; only under the account's lock does a no stay true."""
    return Order.objects.filter(pk=order_id(command.pk, attempt)).exists()


def _go(command: Command) -> CommandState:
    return CommandState.SHADOWED if command.mode == Mode.SHADOW else CommandState.ORDERED


def _judge(command: Command, seen: Look, stand: Stand, now: datetime) -> tuple[Sized | Denial, list[risk.Check]]:
    sized = sizing.size(ask(command), seen.market, seen.ticker, available(command, seen, stand))
    numbers = risk.Numbers(
        leg=Leg(command.leg),
        coin=seen.pair.base,
        now=now,
        expires_at=command.expires_at,
        cost=sized.cost if isinstance(sized, Sized) else ZERO,
    )
    if command.leg == Leg.ENTRY:
        numbers = _with_account(numbers, command, seen, stand)
    return sized, risk.assess(stand.policies, numbers)


def _with_account(numbers: risk.Numbers, command: Command, seen: Look, stand: Stand) -> risk.Numbers:
    entries = [order for order in _of_coin(stand, seen) if order.leg == Leg.ENTRY and order.status in LIVE]
    times = [order.created_at for order in entries]
    if stand.coin_entered_at:
        times.append(stand.coin_entered_at)
    if any(policy.max_daily_loss is not None for policy in stand.policies):
        lost = losses_today(command.user_id, command.exchange, seen.ticker, numbers.now)
        numbers = replace(numbers, loss_today=lost.total, loss_prices=lost.prices, loss_unknown=tuple(lost.unknown))
    return replace(
        numbers,
        exposure=_worth(stand.coin_held, seen.ticker) + sum((_promised(order, seen) for order in entries), ZERO),
        last_entry_at=max(times, default=None),
        orders_lately=stand.orders_lately,
        depth=seen.depth,
        price=None if sizing.bad_book(seen.ticker) else seen.ticker.ask,
        signal_price=number(given) if (given := command.decision.get("signal_price")) else None,
    )


@exact
def _worth(amount: Decimal, ticker: Ticker) -> Decimal:
    return ZERO if sizing.bad_book(ticker) else amount * ticker.bid


@exact
def _promised(entry: Promise, seen: Look) -> Decimal:
    """What an open entry may add, in this pair's quote currency; one that pays in another by its coins."""
    if entry.pair == str(seen.pair):
        return entry.reserved_quote
    return ZERO if sizing.bad_book(seen.ticker) else entry.left * seen.ticker.ask


def ask(command: Command) -> Ask:
    """What the row asks for, in the words of sizing."""
    asked = conditions(command)
    return Ask(
        side=Action(command.action),
        amount_type=AmountType(command.amount_type),
        amount=command.amount,
        type=OrderType(asked.get(ConditionKind.ORDER_TYPE, OrderType.MARKET)),
        limit_price=number(asked[ConditionKind.LIMIT_PRICE]) if ConditionKind.LIMIT_PRICE in asked else None,
        max_amount=number(asked[ConditionKind.MAX_AMOUNT]) if ConditionKind.MAX_AMOUNT in asked else None,
    )


@exact
def available(command: Command, seen: Look, stand: Stand) -> Decimal:
    """Free quote currency (buy) or sellable coins (sell), less what other orders of this account were promised and the
    venue's balances may not show yet."""
    if command.action == Action.BUY:
        return seen.quote.free - sum((_unseen_quote(order, seen) for order in stand.orders), ZERO)
    mine = _of_pair(stand, seen)
    pledged = sum((o.reserved_base for o in mine if o.leg == Leg.EXIT and o.status in LIVE), ZERO)
    left = stand.held - pledged
    outdated = any(_frees(order) and order.sequence > seen.sequence for order in mine)
    return left if outdated else min(left, seen.base.free + _locked_base(stand, seen))


def _frees(order: Promise) -> bool:
    """Whether there may be more coins free by it: it bought some, or it has ended and holds none any more."""
    return order.side == Action.BUY or order.status not in LIVE


def _unseen_quote(order: Promise, seen: Look) -> Decimal:
    if order.side != Action.BUY or not order.pair.endswith(f"/{seen.pair.quote}"):
        return ZERO
    if order.status not in _MISSING and order.sequence <= seen.sequence:
        return ZERO
    return order.reserved_quote + order.filled * (order.average or ZERO)


def _locked_base(stand: Stand, seen: Look) -> Decimal:
    """Coins that our own stops hold at the venue: they are freed before a sale."""
    stops = (order for order in _of_pair(stand, seen) if order.leg == Leg.PROTECT and order.status in LIVE)
    return sum((order.reserved_base for order in stops), ZERO)


def _of_coin(stand: Stand, seen: Look) -> list[Promise]:
    """Whatever it is paid with."""
    return [order for order in stand.orders if order.pair.startswith(f"{seen.pair.base}/")]


def _of_pair(stand: Stand, seen: Look) -> list[Promise]:
    return [order for order in stand.orders if order.pair == str(seen.pair)]


def now_price(ticker: Ticker) -> Decimal | None:
    """The last trade's price, as far as the present bid and ask bear it out; None without a usable book."""
    if sizing.bad_book(ticker):
        return None
    return min(max(ticker.last, ticker.bid), ticker.ask) if ticker.last.is_finite() else ticker.bid


# --- rows ------------------------------------------------------------------------------------------------------------


def _note(command: Command, state: CommandState, denial: Denial | None, told: dict[str, Any], now: datetime) -> None:
    """Note the decision in `command`, and in its row if that is stored."""
    changes = {
        "state": state.value,
        "code": denial.code if denial else "",
        "reason": denial.reason[:500] if denial else "",
        "decision": told,
        "decided_at": now,
    }
    stored = not command._state.adding
    if stored and not Command.objects.filter(pk=command.pk, state=command.state).update(**changes):
        raise Overtaken
    for name, value in changes.items():
        setattr(command, name, value)


def _store(rows: Sequence[Command | Order]) -> None:
    if rows:
        keys = [writes.with_keys(row.credential_id) for row in rows if isinstance(row, Order)]
        writes.together(*map(writes.insert, rows), *keys)
    for row in rows:
        row._state.adding, row._state.db = False, connection.alias


def _told(
    command: Command, seen: Look, sized: Sized | Denial, checks: Sequence[risk.Check], attempt: int
) -> dict[str, Any]:
    before = command.decision.get("before", [])
    given = {name: command.decision[name] for name in GIVEN if name in command.decision}
    if last := {key: value for key, value in command.decision.items() if key not in {"before", *GIVEN}}:
        before = [*before, last]
    return {
        **given,
        "attempt": attempt,
        "checks": [_checked(check) for check in checks],
        "ticker": {name: plain(getattr(seen.ticker, name)) for name in ("bid", "ask", "last")},
        "free": {seen.pair.quote: plain(seen.quote.free), seen.pair.base: plain(seen.base.free)},
        "guard_price": plain(now_price(seen.ticker)),
        "order": asdict(sized) if isinstance(sized, Denial) else _described(sized),
        "before": before,
    }


def _checked(check: risk.Check) -> dict[str, Any]:
    """As it is stored: why it failed, if it did."""
    return {"name": check.name, "ok": check.ok, "numbers": check.numbers, "reason": "" if check.ok else check.reason}


def _described(sized: Sized) -> dict[str, str | None]:
    numbers = {name: plain(getattr(sized, name)) for name in ("amount", "price", "reference", "cost")}
    return {"side": sized.side.value, "type": sized.type.value, **numbers}


def _order(command: Command, sized: Sized, attempt: int, sequence: int, now: datetime, *, blocked: bool) -> Order:
    """The order's row. `blocked`: our own stops hold the coins, so it waits as INTENT until they are out of the way."""
    waits = blocked and sized.side == Action.SELL
    return new_order(
        command,
        attempt,
        sequence,
        now,
        type=sized.type.value,
        amount=sized.amount,
        price=sized.price,
        reserved_quote=sized.reserved_quote,
        reserved_base=sized.reserved_base,
        status=OrderStatus.INTENT.value if waits else OrderStatus.SUBMITTING.value,
    )


def new_order(command: Command, attempt: int, sequence: int, now: datetime, **terms: Any) -> Order:
    """An unsaved order of `command`; its ids follow from the command and the attempt."""
    key = order_id(command.pk, attempt)
    return Order(
        id=key,
        client_id=key.hex,
        command=command,
        attempt=attempt,
        user_id=command.user_id,
        credential_id=command.credential_id,
        exchange=command.exchange,
        pair=command.pair,
        side=command.action,
        leg=command.leg,
        sequence=sequence,
        submitted_at=now,
        deadline=now + PROOF_AFTER,
        created_at=now,
        updated_at=now,
        **terms,
    )
