"""The filtered stream's rules: exactly those of our source, beside whatever else the app has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.sources.adapters.x import api
from apps.sources.adapters.x.api import Api
from apps.sources.adapters.x.config import XConfig
from apps.sources.adapters.x.feeds import grouped, query_of

_PATH = "/2/tweets/search/stream/rules"
_MOST = 25_000


@dataclass(frozen=True, slots=True)
class Synced:
    """`tag` marks our rules. `refused`: X's words for those that it did not take."""

    tag: str
    added: int
    removed: int
    refused: Sequence[str] = ()


def wanted_rules(config: XConfig, ids: Sequence[str]) -> list[str]:
    """Accounts grouped up to the length of a rule, and the source's own queries."""
    groups, _ = grouped(ids, {}, length=config.rule_length, suffix=config.suffix)
    own = [f"({query}){config.suffix}" if config.suffix else query for query in dict.fromkeys(config.searches)]
    return [query_of(group, config.suffix) for group in groups.values()] + own


def sync(asked: Api, wanted: Iterable[str], label: str) -> Synced:
    """Take away our rules that are not wanted any more, add those that are missing. Raises as `Api` does."""
    tag = f"tradebot:{label}"
    ours = {str(rule.get("value")): str(rule.get("id")) for rule in _rules(asked) if rule.get("tag") == tag}
    values = list(dict.fromkeys(wanted))
    stale = [rule for value, rule in ours.items() if value not in values]
    fresh = [value for value in values if value not in ours]
    if stale:
        asked.post(api.CHANGE_RULES, _PATH, {"delete": {"ids": stale}})
    refused: list[str] = []
    if fresh:
        answer = asked.post(api.CHANGE_RULES, _PATH, {"add": [{"value": value, "tag": tag} for value in fresh]})
        refused = [_reason(error) for error in api.problems(answer)]
    return Synced(tag, len(fresh) - len(refused), len(stale), refused)


def is_ours(body: Mapping[str, Any], tag: str) -> bool:
    """Did a rule of ours let this post through? Other programs may use the same app's stream."""
    matching = body.get("matching_rules")
    return isinstance(matching, list) and any(isinstance(rule, Mapping) and rule.get("tag") == tag for rule in matching)


def _rules(asked: Api) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    token = ""
    while len(found) < _MOST:
        body = asked.get(api.RULES, _PATH, {"max_results": 1000, "pagination_token": token})
        data, meta = body.get("data"), body.get("meta")
        found += [rule for rule in data if isinstance(rule, Mapping)] if isinstance(data, list) else []
        token = str(meta.get("next_token") or "") if isinstance(meta, Mapping) else ""
        if not token:
            break
    return found


def _reason(error: Mapping[str, Any]) -> str:
    details = error.get("details")
    said = "; ".join(map(str, details)) if isinstance(details, list) else error.get("detail") or error.get("title")
    return f"{error.get('value') or 'a rule'}: {said}"[:300]
