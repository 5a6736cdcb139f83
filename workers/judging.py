"""What a post means once its analyzers have answered: its coins, one judgement, and whether it calls for a trade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import numpy as np

from apps.signals.adapters.embedder import unpack
from apps.signals.cluster_services import Calling
from apps.signals.domain import calls
from apps.signals.domain.addressed import addressed
from apps.signals.domain.admission import admitted, misread, unsaid
from apps.signals.domain.clusters import telling
from apps.signals.domain.dated import outdated
from apps.signals.domain.ensemble import Judgement, combine
from apps.signals.domain.evidence import checked
from apps.signals.domain.impersonation import impersonated
from apps.signals.domain.manipulation import Market
from apps.signals.domain.rules import NAME as RULES_NAME
from apps.signals.domain.rules import VERSION as RULES
from apps.signals.domain.scheme import scheme
from apps.signals.domain.subject import subject
from apps.signals.domain.unmeant import unmeant
from apps.signals.domain.verdict import SIDES, Verdict
from tradebot.contracts.messages import Features
from tradebot.contracts.values import Direction


@dataclass(frozen=True, slots=True)
class Meaning:
    """`coins` empty: it is about none. `verdicts`: those of all analyzers, with the quotes that could be found.
    `quotes`: what they quoted for the outcome, found or not."""

    coins: tuple[str, ...]
    judgement: Judgement
    verdicts: tuple[Verdict, ...]
    quotes: tuple[str, ...] = ()

    @property
    def calls(self) -> bool:
        """Whether it is bullish or bearish of a coin."""
        return bool(self.coins) and self.judgement.direction is not Direction.NEUTRAL


def meaning(post: Features, verdicts: Sequence[Verdict], quorum: int) -> Meaning:
    """One judgement out of all verdicts."""
    sound = tuple(checked(verdict, post.text, post.images) for verdict in verdicts)
    coins = subject(post.text, post.tickers, post.nearest)
    judgement = admitted(combine(sound, quorum))
    agreed = (each for each in verdicts if each.direction is judgement.direction)
    return Meaning(coins, judgement, sound, tuple(quote.quote for each in agreed for quote in each.evidence))


def sources(post: Features) -> tuple[str, ...]:
    """Whose post it is, as signals name it: the channel first, where there is one."""
    names = dict.fromkeys(name for name in (post.channel, post.author) if name)
    return tuple(f"{post.source}:{name}" for name in names)


def calling(post: Features, signal_id: UUID, meant: Meaning, markets: Mapping[str, Market]) -> Calling:
    """What the post tells, to find its story by, and what is known of the first of its coins' market."""
    judgement = meant.judgement
    market = next((markets[coin] for coin in meant.coins if coin in markets), None)
    return Calling(
        telling(
            signal_id,
            direction=judgement.direction,
            coins=meant.coins,
            event=judgement.event,
            voice=sources(post)[0],
            at=post.timestamp,
            confidence=judgement.confidence,
            text=post.text,
            vector=unpack(post.vector) if post.vector else np.empty(0, np.float32),
            owner_id=UUID(post.owner_id) if post.owner_id else None,
        ),
        text=post.text,
        market=market,
        doubts=_doubts(post, meant, market),
    )


def _doubts(post: Features, meant: Meaning, market: Market | None) -> dict[str, str]:
    """By kind, why nothing real may be ordered, whoever else says the same."""
    found = {
        "misread": misread(post.text, post.images, meant.coins, meant.judgement.call, meant.quotes),
        "impersonation": impersonated(post.text, post.source, post.channel or post.author),
        "addressed": addressed(post.text),
        "scheme": scheme(post.text),
        "outdated": outdated(post.text, post.timestamp),
        "unmeant": unmeant(post.text, [each for each in meant.judgement.evidence if each.model == RULES]),
        "unsaid": unsaid(meant.judgement, next((each for each in meant.verdicts if each.analyzer == RULES_NAME), None)),
        "call": _unsound(post.text, meant.judgement, market.price if market else None),
    }
    return {kind: why for kind, why in found.items() if why}


def _unsound(text: str, judgement: Judgement, price: Decimal | None) -> str:
    """Why the numbers of the post's trade call can't be followed: against themselves, the direction or the market."""
    call = judgement.call
    if call is not None and SIDES[call.side] is not judgement.direction:
        return f"the call is {call.side}, the post {judgement.direction.value}"
    told = calls.doubt(text, price)
    if told or call is None:
        return told
    return calls.fault(call) or (calls.off_market(call, price) if price is not None else "")
