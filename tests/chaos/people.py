"""Who trades in a seed: users with funded paper accounts, limits and strategies, and the posts that move them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from msgspec import to_builtins

from tests.chaos.plan import PROTECTIONS, Plan, Post

DEPOSIT = Decimal(1000)
LIMIT = Decimal(250)
_BULLISH = {"percentage": 20, "max_amount": 100}
_BEARISH = {"percentage": 50}
_BUY = "Buying more ${coin} right now, this is going to the moon"
_SELL = "Sell ${coin} now, it is going to crash hard"


@dataclass(frozen=True, slots=True)
class Person:
    """A user whose strategy follows one author of their own."""

    author: str
    pair: str
    credential_id: str
    api_key: str
    protection: str


def people(plan: Plan) -> list[Person]:
    """Open every account of the plan; names are new each time, so that seeds may share a database."""
    terms = enumerate(zip(plan.pairs, plan.protections, strict=True))
    return [_person(f"c{plan.seed}-{number}-{uuid4().hex[:6]}", *each) for number, each in terms]


def _person(name: str, pair: str, protection: str) -> Person:
    from django.utils import timezone

    from apps.accounts import services as vault
    from apps.strategies import services as strategies
    from apps.trading import services as trading
    from apps.trading.models import Way
    from workers.traders import open_trader

    trader = open_trader(name, {"USDT": DEPOSIT})
    by = trading.By("chaos", Way.COMMAND)
    trading.change_policy(user_id=trader.user_id, changes={"position_limit": LIMIT}, by=by, now=timezone.now())
    watched = {"twitter_users": [name], "coins": [pair.partition("/")[0]]}
    raw = {"name": name, "watch_list": watched, "actions": _actions(protection), "cooldown_minutes": 0}
    strategies.create(user_id=trader.user_id, raw=raw)
    key = vault.open_credential(trader.credential_id).api_key
    return Person(name, pair, str(trader.credential_id), key, protection)


def _actions(protection: str) -> dict[str, dict[str, int]]:
    guard = PROTECTIONS[protection]
    return {"bullish": _BULLISH | guard, "bearish": _BEARISH | guard}


def message(post: Post, person: Person, number: int) -> Any:
    """The post as a crawler would hand it over, seen now."""
    text = (_BUY if post.bullish else _SELL).replace("{coin}", person.pair.partition("/")[0])
    return _message(f"{text} ({number})", person.author)


def poison() -> dict[str, Any]:
    """An item that looks like a post and can't be read: its time is none."""
    return {**to_builtins(_message("This one can't be read", "nobody")), "timestamp": "yesterday"}


def _message(text: str, author: str) -> Any:
    from tradebot.contracts.messages import CrawlerMessage

    now = datetime.now(UTC)
    return CrawlerMessage(
        id=uuid4().hex,
        root_id=str(uuid4()),
        seen_at=now,
        source="twitter",
        type="text",
        data=text,
        timestamp=now,
        author=author,
    )
