"""Which coins a signal is about: those the text names, else the one it clearly means."""

from __future__ import annotations

from collections.abc import Sequence

from apps.signals.domain.coins import catalogue
from tradebot.contracts.messages import Near

MOST = 10
NEAR_ENOUGH = 0.5
"""Cosine to a coin's description from which a text that names none is taken to mean it."""
LEAD = 0.1
"""How far the nearest coin must be ahead of the next."""


def subject(text: str, tickers: Sequence[str], nearest: Sequence[Near]) -> tuple[str, ...]:
    """Coins of a signal, at most ten. A stablecoin counts only where no other is named."""
    named = [symbol for symbol in tickers if not _stable(symbol)] or list(tickers)
    if named or catalogue().names_unknown(text):
        return tuple(named[:MOST])
    return _meant(nearest)


def _stable(symbol: str) -> bool:
    coin = catalogue().coins.get(symbol)
    return coin is not None and coin.stable


def _meant(nearest: Sequence[Near]) -> tuple[str, ...]:
    if not nearest or nearest[0].similarity < NEAR_ENOUGH:
        return ()
    if len(nearest) > 1 and nearest[0].similarity - nearest[1].similarity < LEAD:
        return ()
    return (nearest[0].coin,)
