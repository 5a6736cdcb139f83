"""The settings of one X source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from django.conf import settings

from apps.sources.domain.address import read_url
from tradebot.contracts.errors import NotConfigured, UnsafeAddress

Handle = Annotated[str, msgspec.Meta(pattern=r"^@?[A-Za-z0-9_]{1,15}$")]
Query = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]

_CORE_KEYS = frozenset({"name", "url", "state"})
_SOME_TIMELINES = 10
_WITHOUT_RETWEETS = " -is:retweet"


class XConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an operator may set; docs/sources.md tells what each costs.

    `accounts` are read by `accounts_by`: their timelines (a request an account), searches for many of them at once, or
    `auto`: timelines for ten accounts at most. `query_length` is 512 for who pays per use, 4096 for Enterprise.
    `page_limit`: pages that one feed may take in one poll; the rest follows in the next.
    """

    bearer_token: Annotated[str, msgspec.Meta(min_length=1)]
    accounts: list[Handle] = []
    searches: list[Query] = []
    api_base: str = "https://api.x.com"
    accounts_by: Literal["auto", "timelines", "search"] = "auto"
    retweets: Literal["original", "skip"] = "original"
    replies: bool = True
    stream: bool = False
    max_results: Annotated[int, msgspec.Meta(ge=10, le=100)] = 100
    page_limit: Annotated[int, msgspec.Meta(ge=2, le=200)] = 10
    query_length: Annotated[int, msgspec.Meta(ge=64, le=4096)] = 512
    rule_length: Annotated[int, msgspec.Meta(ge=64, le=2048)] = 1024
    overlap_seconds: Annotated[int, msgspec.Meta(ge=0, le=3600)] = 600
    lookback_minutes: Annotated[int, msgspec.Meta(ge=0, le=6 * 24 * 60)] = 60
    verify_hours: Annotated[int, msgspec.Meta(ge=1, le=24 * 365)] = 24 * 7

    @property
    def handles(self) -> list[str]:
        """The accounts without `@`, each once however it is spelled."""
        return list({handle.lstrip("@").casefold(): handle.lstrip("@") for handle in self.accounts}.values())

    @property
    def by_timeline(self) -> bool:
        if self.accounts_by == "auto":
            return len(self.handles) <= _SOME_TIMELINES
        return self.accounts_by == "timelines"

    @property
    def suffix(self) -> str:
        """What every query ends with."""
        without = _WITHOUT_RETWEETS if self.retweets == "skip" else ""
        return without + ("" if self.replies else " -is:reply")

    @property
    def excluded(self) -> str:
        """What a timeline leaves out."""
        return ",".join(["retweets"] * (self.retweets == "skip") + ["replies"] * (not self.replies))


def read_config(given: Mapping[str, Any]) -> XConfig:
    """Raises NotConfigured naming the setting and the remedy."""
    # A secret comes as a kind of text of its own.
    own = {
        key: str(value) if isinstance(value, str) else value for key, value in given.items() if key not in _CORE_KEYS
    }
    try:
        config = msgspec.convert(own, XConfig)
    except msgspec.ValidationError as error:
        raise NotConfigured(_explained(error)) from None
    _check(config)
    return config


def _check(config: XConfig) -> None:
    if not config.accounts and not config.searches:
        raise NotConfigured("accounts: name at least one account here, or one query in searches")
    for index, query in enumerate(config.searches):
        most = config.query_length - len(config.suffix) - len("()")
        if len(query) > most:
            raise NotConfigured(f"searches[{index}]: has {len(query)} characters; {most} are left by query_length")
    try:
        read_url(config.api_base, settings.GUARDED_ALLOW)
    except UnsafeAddress as error:
        raise NotConfigured(f"api_base: {error}") from None
    if not config.bearer_token.isascii() or not config.bearer_token.isprintable() or " " in config.bearer_token:
        raise NotConfigured("bearer_token: has blanks or other characters that no token has; copy it again")


def _explained(error: msgspec.ValidationError) -> str:
    # Never the value: it may be the token.
    reason, _, path = str(error).partition(" - at `$.")
    if path:
        return f"{path.rstrip('`')}: {reason}"
    field = reason.split("`")[1] if "`" in reason else "config"
    remedy = "give the app's bearer token, best as env:NAME" if field == "bearer_token" else "see docs/sources.md"
    return f"{field}: {reason}; {remedy}"
