"""What a user lost today, read from their rows and the prices that are at hand."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from apps.accounts import selectors as accounts
from apps.exchanges import selectors as exchanges
from apps.trading.domain.losses import Held, Losses, reckon
from apps.trading.domain.positions import Holding
from apps.trading.domain.risk import day_start
from apps.trading.domain.sizing import bad_book
from tradebot import sql
from tradebot.contracts.ports import Ticker
from tradebot.contracts.values import Pair

_TODAY = """
SELECT split_part(pair, '/', 2), sum(realised_quote) FROM trading_fill WHERE user_id = %s AND at >= %s GROUP BY 1
"""
_HELD = """
SELECT held.coin, held.quote, coalesce(last.exchange, ''), held.amount, held.cost_quote, last.price, last.at
FROM trading_position AS held LEFT JOIN LATERAL (
    SELECT fill.price, fill.at, placed.exchange
    FROM trading_fill AS fill JOIN trading_order AS placed ON placed.id = fill.order_id
    WHERE fill.credential_id = held.credential_id AND fill.pair = held.coin || '/' || held.quote
    ORDER BY fill.at DESC LIMIT 1
) AS last ON true
WHERE held.user_id = %s AND held.amount > 0
"""


def losses_today(user_id: UUID, exchange: str, ticker: Ticker, now: datetime) -> Losses:
    """In the quote currency of `ticker`, which was seen at `exchange`: since the user's own midnight, over all their
    accounts. One round trip for the rows and one for prices that other workers were told."""
    person = accounts.user(user_id)
    since = day_start(now, person.time_zone if person else "UTC")
    today, rows = sql.together((_TODAY, [user_id, since]), (_HELD, [user_id]))
    held = [Held(Pair(row[0], row[1]), row[2], Holding(row[3], row[4]), row[5], row[6]) for row in rows]
    quote, realised = ticker.pair.quote, dict(today)
    books = _books(held, {one.pair.quote for one in held} | set(realised), exchange, ticker)
    return reckon(quote, exchange, realised, held, quoted=lambda where, pair: books.get((where, pair)), now=now)


def _books(held: list[Held], quotes: set[str], exchange: str, ticker: Ticker) -> dict[tuple[str, Pair], Ticker]:
    """Usable books by (exchange, pair): the one at hand, and the snapshots of the others."""
    quote, mine = ticker.pair.quote, (exchange, ticker.pair)
    wanted = {(one.exchange, one.pair) for one in held}
    for other in quotes - {quote}:
        wanted |= {(exchange, Pair(other, quote)), (exchange, Pair(quote, other))}
    found = {**exchanges.recent_tickers(sorted(wanted - {mine}, key=str)), mine: ticker}
    return {where: book for where, book in found.items() if not bad_book(book)}
