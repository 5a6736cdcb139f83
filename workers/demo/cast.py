"""Who acts in the demo: a trader with a funded paper account, and the two strategies that watch the sample sources."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.accounts import selectors as accounts
from apps.accounts import services as account_services
from apps.accounts.models import ApiToken, User
from apps.strategies import services as strategies
from apps.strategies.models import Strategy
from workers import traders

TRADER = "demo"
DEPOSITS = MappingProxyType({"USDT": Decimal(10_000)})
PATIENCE_SECONDS = 900
"""How old a sample post may be: a slow machine may need minutes for the pictures on its first run."""

# No cool-down, and a cap that binds as long as half the deposit is free: what a post leads to then depends on the
# post alone, in whatever order the workers take them.
_BUY = MappingProxyType({"percentage": 10, "max_amount": 500})
_SELL = MappingProxyType({"percentage": 50, "stop_loss": 10})
_COMMON = MappingProxyType(
    {
        "actions": {"bullish": dict(_BUY), "bearish": dict(_SELL)},
        "cooldown_minutes": 0,
        "max_signal_age": PATIENCE_SECONDS,
    }
)

STRATEGIES: tuple[Mapping[str, Any], ...] = (
    {
        **_COMMON,
        "name": "News in English",
        "watch_list": {
            "twitter_users": ["chainwatcher", "tape_desk", "birdwatch_ann", "etf_desk"],
            "feeds": ["court-wire"],
        },
    },
    {
        **_COMMON,
        "name": "Telegram, 中文",
        "watch_list": {"telegram_groups": ["bikuaixun", "listing_radar"]},
    },
)


def assemble() -> UUID:
    """The demo trader's id; whatever is missing of account and strategies is made. Safe to repeat."""
    user_id = _trader()
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user_id)
        for raw in STRATEGIES:
            if not Strategy.objects.filter(user_id=user_id, name=raw["name"], deleted_at=None).exists():
                strategies.create(user_id=user_id, raw=raw)
    return user_id


def _trader() -> UUID:
    known = User.objects.filter(username=TRADER).first()
    if known is not None and accounts.default_credential(known.pk) is not None:
        return known.pk
    opened = traders.open_trader(TRADER, DEPOSITS)
    # Nobody is told this token, so nobody may ever use it; `manage.py trader demo` makes one that is shown.
    account_services.revoke_token(token_id=ApiToken.objects.filter(user_id=opened.user_id).latest("created_at").pk)
    return opened.user_id
