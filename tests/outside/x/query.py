"""The part of X's query language that tests need: from:, is:, words, "phrases", $cashtags, -, OR and brackets."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from tests.outside.x.world import Tweet, World

Match = Callable[[Tweet, World], bool]
_TOKEN = re.compile(r'\s*(\(|\)|-?"[^"]*"|-?[^\s()"]+)')


class BadQueryError(ValueError):
    """What X would answer 400 to."""


@functools.lru_cache(maxsize=4096)
def compiled(query: str) -> Match:
    """Raises BadQueryError."""
    tokens = _tokens(query)
    match, rest = _either(tokens)
    if rest:
        raise BadQueryError(f"no viable alternative at input '{rest[0]}'")
    return match


def _tokens(query: str) -> list[str]:
    tokens = _TOKEN.findall(query)
    if "".join(tokens) != re.sub(r'\s+(?=(?:[^"]*"[^"]*")*[^"]*$)', "", query):
        raise BadQueryError("extraneous input")
    if not tokens:
        raise BadQueryError("the query is empty")
    return list(tokens)


def _either(tokens: list[str]) -> tuple[Match, list[str]]:
    first, tokens = _all(tokens)
    found = [first]
    while tokens and tokens[0] == "OR":
        another, tokens = _all(tokens[1:])
        found.append(another)
    return (lambda tweet, world: any(match(tweet, world) for match in found)), tokens


def _all(tokens: list[str]) -> tuple[Match, list[str]]:
    found: list[Match] = []
    while tokens and tokens[0] not in {")", "OR"}:
        match, tokens = _one(tokens)
        found.append(match)
    if not found:
        raise BadQueryError("missing an operand")
    return (lambda tweet, world: all(match(tweet, world) for match in found)), tokens


def _one(tokens: list[str]) -> tuple[Match, list[str]]:
    head, rest = tokens[0], tokens[1:]
    if head == "(":
        match, rest = _either(rest)
        if not rest or rest[0] != ")":
            raise BadQueryError("missing ')'")
        return match, rest[1:]
    if head.startswith("-"):
        inner = _term(head[1:])
        return (lambda tweet, world: not inner(tweet, world)), rest
    return _term(head), rest


def _term(term: str) -> Match:
    kind, _, value = term.partition(":")
    if kind == "from":
        return lambda tweet, world: world.is_called(tweet.author, value)
    if kind == "is":
        reference = {"retweet": "retweeted", "reply": "replied_to", "quote": "quoted"}.get(value)
        if reference is None:
            raise BadQueryError(f"{term} is no operator")
        return lambda tweet, _: any(given == reference for given, _ in tweet.references)
    words = term.strip('"').casefold()
    pattern = re.compile(rf"(?<!\w){re.escape(words)}(?!\w)")
    return lambda tweet, _: bool(pattern.search(tweet.text.casefold()))
