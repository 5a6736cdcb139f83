"""Which of a user's accounts an order goes to, where the strategy leaves that to us. Asks no exchange."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from uuid import UUID

from django.utils import timezone

from apps.exchanges import selectors as exchanges
from apps.exchanges.domain.routing import STANDARD_FEES, Candidate, Score, chosen, select_best_exchange
from apps.exchanges.selectors import VenueInfo
from apps.strategies.domain.matching import Account, ActiveStrategy, Matched
from apps.trading import selectors as trading
from tradebot.contracts.messages import VenueScore
from tradebot.contracts.ports import Ticker
from tradebot.contracts.values import Action, Leg, Pair

TYPICAL_SIZE = Decimal(1_000)
"""In quote currency: what books are compared for where the strategy sets no `max_amount`; the balance is not known
before the account is."""

DEAREST = Decimal("0.01")
"""The fee of a venue whose price list nobody knows."""

Choice = tuple[Account, list[VenueScore]]


def choose(strategy: ActiveStrategy, matched: Matched, coin: str, tradable: Callable[[str, str, str], bool]) -> Choice:
    """The account for this coin, and what it was chosen from, the best first.

    An entry goes where select_best_exchange says, by prices at most two seconds old; if nothing is known of any, to the
    user's first choice. A sale goes where the bot holds the coin.
    """
    pair = Pair(coin, strategy.spec.quote)
    able = [account for account in matched.choices if tradable(account.venue, pair.base, pair.quote)]
    if matched.leg is not Leg.ENTRY:
        return _holder(strategy.user_id, pair, able)
    ranking = _ranking(strategy, matched, pair, able)
    best = chosen(ranking)
    fallback = str(able[0].credential_id)
    key = best.key if best else fallback
    told = [
        _told(score, score.key == key, "" if best else "nothing is known of any: the user's first choice")
        for score in ranking
    ]
    return next(account for account in able if str(account.credential_id) == key), told


def prices(wanted: Iterable[tuple[Matched, Pair]]) -> list[Decimal | None]:
    """What a buyer of each pair has to pay now at the venue of its match, or a seller gets, as far as anybody was told
    in the last two seconds."""
    asked = [(matched.account.venue, pair, matched.action) for matched, pair in wanted]
    known = exchanges.recent_tickers({(venue, pair) for venue, pair, _ in asked}) if asked else {}
    return [_side(known.get((venue, pair)), action) for venue, pair, action in asked]


def _side(ticker: Ticker | None, action: Action) -> Decimal | None:
    price = None if ticker is None else ticker.ask if action is Action.BUY else ticker.bid
    return price if price is not None and price.is_finite() and price > 0 else None


def _holder(user_id: UUID, pair: Pair, able: Sequence[Account]) -> Choice:
    held = {
        row.credential_id: row.amount
        for row in trading.positions(user_id)
        if (row.coin, row.quote) == (pair.base, pair.quote)
    }
    best = max(able, key=lambda account: held.get(account.credential_id, Decimal(0)))
    note = "it holds the position" if best.credential_id in held else "no account holds the coin"
    return best, [VenueScore(exchange=best.venue, credential_id=str(best.credential_id), chosen=True, note=note)]


def _ranking(strategy: ActiveStrategy, matched: Matched, pair: Pair, able: Sequence[Account]) -> tuple[Score, ...]:
    wanted = [(account.venue, pair) for account in able]
    infos = {info.name: info for info in exchanges.enabled_venues()}
    tickers, books = exchanges.recent_tickers(wanted), exchanges.recent_depth(wanted)
    health = exchanges.venue_health(infos[account.venue] for account in able if account.venue in infos)
    candidates = [
        Candidate(
            key=str(account.credential_id),
            venue=account.venue,
            taker_fee=_fee(infos.get(account.venue)),
            preference=_preference(strategy, account.venue),
            depth=books.get((account.venue, pair)),
            ticker=tickers.get((account.venue, pair)),
            health=health.get(account.venue),
        )
        for account in able
    ]
    now_ms = int(timezone.now().timestamp() * 1_000)
    return select_best_exchange(matched.action, matched.terms.max_amount or TYPICAL_SIZE, candidates, now_ms)


def _fee(info: VenueInfo | None) -> Decimal:
    if info is None:
        return DEAREST
    return info.taker_fee if info.taker_fee is not None else STANDARD_FEES.get(info.dialect, DEAREST)


def _preference(strategy: ActiveStrategy, venue: str) -> int:
    liked = strategy.spec.venue.preferred if strategy.spec.venue else ()
    return liked.index(venue) if venue in liked else len(liked)


def _told(score: Score, is_chosen: bool, note: str) -> VenueScore:
    return VenueScore(
        exchange=score.venue,
        credential_id=score.key,
        score=score.total,
        parts=dict(score.parts),
        price=score.price,
        filled=score.filled,
        chosen=is_chosen,
        note=score.refused or (note if is_chosen else ""),
    )
