"""What is asked for: each feed is one timeline or one query, and many accounts share a query."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from apps.sources.adapters.x.config import XConfig

_OR = " OR "


@dataclass(frozen=True, slots=True)
class Feed:
    """`key` is stable from poll to poll. Exactly one of `query` and `user` (an id) is set; `accounts`: whose ids."""

    key: str
    query: str = ""
    user: str = ""
    accounts: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """For people."""
        return f"search for {len(self.accounts)} accounts ({self.key})" if self.accounts else f"search {self.query}"


def clause(accounts: Iterable[str]) -> str:
    """The accounts' posts, as X's query language says it. An id finds an account under whatever name it has by now."""
    return _OR.join(f"from:{account}" for account in accounts)


def query_of(accounts: Sequence[str], suffix: str) -> str:
    """The query of a group; brackets only where something follows."""
    return f"({clause(accounts)}){suffix}" if suffix else clause(accounts)


def grouped(
    accounts: Sequence[str], before: Mapping[str, Sequence[str]], *, length: int, suffix: str
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Groups of accounts whose queries have at most `length` characters, by key, and which group went into which.

    Who is in a group stays there, so that its watermark stays right. New accounts fill the first group with room.
    Groups that shrank go into an earlier one as soon as all of them fit.
    """
    wanted = set(accounts)
    groups = {key: [one for one in members if one in wanted] for key, members in before.items()}
    groups = {key: members for key, members in groups.items() if members}
    gone = _melt(groups, length, suffix)
    placed = {one for members in groups.values() for one in members}
    sizes = {key: len(query_of(members, suffix)) for key, members in groups.items()}
    for account in dict.fromkeys(accounts):
        if account not in placed:
            _place(account, groups, sizes, length, suffix)
    return groups, gone


def _place(account: str, groups: dict[str, list[str]], sizes: dict[str, int], length: int, suffix: str) -> None:
    more = len(_OR) + len(clause([account]))
    key = next((key for key, size in sizes.items() if size + more <= length), None)
    if key is None:
        key = f"g{max((int(name[1:]) for name in groups), default=0) + 1}"
        groups[key], sizes[key] = [account], len(query_of([account], suffix))
    else:
        groups[key].append(account)
        sizes[key] += more


def _melt(groups: dict[str, list[str]], length: int, suffix: str) -> dict[str, str]:
    gone: dict[str, str] = {}
    for key in list(groups)[1:]:
        into = _host(key, groups, length, suffix)
        if into:
            groups[into] += groups.pop(key)
            gone[key] = into
    return gone


def _host(key: str, groups: Mapping[str, Sequence[str]], length: int, suffix: str) -> str | None:
    """The first group before this one that has room for all of it."""
    for other, members in groups.items():
        if other == key:
            break
        if len(query_of([*members, *groups[key]], suffix)) <= length:
            return other
    return None


def feeds_of(config: XConfig, ids: Sequence[str], groups: Mapping[str, Sequence[str]]) -> list[Feed]:
    """Every feed of a source: its accounts', then its own queries."""
    if config.by_timeline:
        feeds = [Feed(f"u{user}", user=user, accounts=(user,)) for user in ids]
    else:
        feeds = [Feed(key, query_of(group, config.suffix), accounts=tuple(group)) for key, group in groups.items()]
    return feeds + [_search(query, config.suffix) for query in dict.fromkeys(config.searches)]


def _search(query: str, suffix: str) -> Feed:
    whole = f"({query}){suffix}" if suffix else query
    return Feed("q" + hashlib.sha256(whole.encode()).hexdigest()[:12], whole)
