"""Answers as X writes them: what was asked for, what that refers to in `includes`, what can't be shown in `errors`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.outside.x.world import SHORT, Tweet, User, World, iso

PROBLEMS = "https://api.twitter.com/2/problems"


def problem(title: str, detail: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"title": title, "detail": detail, "type": f"{PROBLEMS}/{kind}" if kind else "about:blank", **more}


def invalid(parameter: str, value: str, message: str) -> dict[str, Any]:
    """A 400 as X writes it: an error that names the parameter, inside of a problem."""
    return {
        "errors": [{"parameters": {parameter: [value]}, "message": message}],
        **problem("Invalid Request", "One or more parameters to your request was invalid.", "invalid-request"),
    }


def user(found: User) -> dict[str, Any]:
    return {"id": str(found.id), "name": found.username.title(), "username": found.username}


def no_user(value: str, parameter: str, found: User | None) -> dict[str, Any]:
    """Why an account that was asked for is not shown."""
    told = {"value": value, "resource_id": value, "parameter": parameter, "resource_type": "user"}
    if found and found.state == "suspended":
        return {**problem("Forbidden", f"User has been suspended: [{value}].", "resource-not-found"), **told}
    detail = f"Could not find user with {parameter.removesuffix('s')}: [{value}]."
    return {**problem("Not Found Error", detail, "resource-not-found"), **told}


def protected(value: str) -> dict[str, Any]:
    detail = f"Sorry, you are not authorized to see the user with id: [{value}]."
    told = {"value": value, "resource_id": value, "parameter": "id", "resource_type": "user", "section": "data"}
    return {**problem("Authorization Error", detail, "not-authorized-for-resource"), **told}


def no_tweet(value: str, parameter: str) -> dict[str, Any]:
    told = {"value": value, "resource_id": value, "parameter": parameter, "resource_type": "tweet"}
    return {
        **problem("Not Found Error", f"Could not find tweet with {parameter}: [{value}].", "resource-not-found"),
        **told,
    }


class Writer:
    """Posts as one request asked for them."""

    def __init__(self, world: World, query: Mapping[str, str]) -> None:
        self._world = world
        self._fields = set(filter(None, query.get("tweet.fields", "").split(",")))
        self._expansions = set(filter(None, query.get("expansions", "").split(",")))
        self._user_fields = {"id", "name", "username"}

    def body(self, tweets: Sequence[Tweet], errors: Iterable[dict[str, Any]] = ()) -> dict[str, Any]:
        """Without `meta`."""
        includes, missing = self._includes(tweets)
        found: dict[str, Any] = {"data": [self.tweet(tweet) for tweet in tweets]} if tweets else {}
        if includes:
            found["includes"] = includes
        if told := [*errors, *missing]:
            found["errors"] = told
        return found

    def tweet(self, tweet: Tweet) -> dict[str, Any]:
        long = len(tweet.text) > SHORT
        found: dict[str, Any] = {
            "edit_history_tweet_ids": [str(number) for number in tweet.history],
            "id": str(tweet.id),
            "text": tweet.text[: SHORT - 3] + "…" if long else tweet.text,
        }
        optional = {
            "author_id": str(tweet.author),
            "created_at": iso(tweet.at_ms),
            "note_tweet": {"text": tweet.text} if long else None,
            "attachments": {"media_keys": [one["media_key"] for one in tweet.media]} if tweet.media else None,
            "referenced_tweets": [{"type": kind, "id": str(number)} for kind, number in tweet.references] or None,
        }
        return {**found, **{name: value for name, value in optional.items() if value and name in self._fields}}

    def _includes(self, tweets: Sequence[Tweet]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        named = [number for tweet in tweets for _, number in tweet.references]
        wanted = dict.fromkeys(named) if "referenced_tweets.id" in self._expansions else {}
        known = [self._world.tweets[number] for number in wanted if number in self._world.tweets]
        referenced = [tweet for tweet in known if self._world.is_visible(tweet)]
        missing = wanted.keys() - {tweet.id for tweet in referenced}
        authors = self._from(tweets, referenced, "author_id", "referenced_tweets.id.author_id")
        pictured = self._from(
            tweets, referenced, "attachments.media_keys", "referenced_tweets.id.attachments.media_keys"
        )
        parts = {
            "users": [user(self._world.users[number]) for number in dict.fromkeys(one.author for one in authors)],
            "media": [dict(medium) for tweet in pictured for medium in tweet.media],
            "tweets": [self.tweet(tweet) for tweet in referenced],
        }
        errors = [no_tweet(str(number), "referenced_tweets.id") for number in missing]
        return {name: part for name, part in parts.items() if part}, errors

    def _from(self, own: Sequence[Tweet], referenced: Sequence[Tweet], *expansions: str) -> list[Tweet]:
        first, second = (expansion in self._expansions for expansion in expansions)
        return [*(own if first else ()), *(referenced if second else ())]
