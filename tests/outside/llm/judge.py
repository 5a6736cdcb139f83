"""What an honest model answers: a verdict by a few words of the post, in the shape that was asked for."""

from __future__ import annotations

import json
from typing import Any

_UP = ("buy", "bullish", "moon", "list", "approved", "看涨", "买入")
_DOWN = ("sell", "bearish", "hack", "dump", "crash", "delist", "看跌", "清仓")


def post_of(body: dict[str, Any]) -> str:
    """The post in the last user message; raises ValueError unless that is a JSON object with one string."""
    content = next(each["content"] for each in reversed(body["messages"]) if each["role"] == "user")
    found = json.loads(content)
    if not isinstance(found, dict) or list(found) != ["post"] or not isinstance(found["post"], str):
        raise ValueError("the user message is not one quoted post")
    return str(found["post"])


def verdict(direction: str, quotes: list[str], **changes: Any) -> dict[str, Any]:
    """An answer in the shape of the schema."""
    whole = {"direction": direction, "confidence": 0.8, "mood": "claim", "event": "", "manipulation": False}
    return {**whole, "quotes": quotes, **changes}


def honest(body: dict[str, Any]) -> str:
    """JSON text; words that are no post at all get a short sentence back."""
    try:
        post = post_of(body)
    except (ValueError, StopIteration, TypeError):
        return "Hello."
    return json.dumps(_judged(post), ensure_ascii=False)


def _judged(post: str) -> dict[str, Any]:
    words = post.casefold()
    for direction, signs in (("bearish", _DOWN), ("bullish", _UP)):
        for sign in signs:
            if (at := words.find(sign)) >= 0:
                return verdict(direction, [post[at : at + len(sign)]])
    return verdict("neutral", [])
