"""The API's endpoints over the world behind them."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from tests.outside.x import recorded, shapes
from tests.outside.x.gate import Gate, struck
from tests.outside.x.query import BadQueryError, compiled
from tests.outside.x.shapes import Writer
from tests.outside.x.streams import Streams
from tests.outside.x.world import EPOCH_MS, Tweet, User, World

_SEARCHED_MS = 7 * 24 * 3600 * 1000
Handler = Callable[[web.Request], Awaitable[tuple[int, dict[str, Any]]]]


class X:
    """One server. Every token that was not revoked is a good one."""

    def __init__(self, *, keep_alive: float, query_length: int, recordings: list[recorded.Recording]) -> None:
        self.world = World()
        self.gate = Gate()
        self.streams = Streams(self.world, keep_alive)
        self._query_length = query_length
        self._recordings = recordings

    def routes(self) -> list[web.RouteDef]:
        get = {
            "/2/tweets/search/recent": self._search,
            "/2/users/by": self._users_by_name,
            "/2/users/by/username/{username}": self._user_by_name,
            "/2/users": self._users,
            "/2/users/{id}/tweets": self._timeline,
            "/2/tweets": self._tweets,
            "/2/tweets/search/stream/rules": self._rules,
        }
        return [
            web.get("/2/tweets/search/stream", self._stream),
            *[web.get(path, self._guarded("GET", path, handler)) for path, handler in get.items()],
            web.post(
                "/2/tweets/search/stream/rules", self._guarded("POST", "/2/tweets/search/stream/rules", self._change)
            ),
            web.get("/2/tweets/{id}", self._guarded("GET", "/2/tweets/{id}", self._tweet)),
            web.route("*", "/{path:.*}", self._anything_recorded),
        ]

    # --- before and after every answer --------------------------------------------------------------------------------

    def _guarded(
        self, method: str, path: str, handler: Handler
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        endpoint = f"{method} {path.replace('{', ':').replace('}', '')}"

        async def answer(request: web.Request) -> web.StreamResponse:
            headers, refused = self._admit(request, endpoint)
            if refused:
                return refused
            if found := recorded.find(self._recordings, method, request.path, request.query):
                return web.Response(
                    body=found.body, status=found.status, headers=found.headers, content_type="application/json"
                )
            status, body = await handler(request)
            raw = json.dumps(body).encode()
            if fault := self.gate.fault(endpoint):
                return await struck(request, fault, raw)
            return web.Response(body=raw, status=status, headers=headers, content_type="application/json")

        return answer

    def _admit(self, request: web.Request, endpoint: str) -> tuple[dict[str, str], web.Response | None]:
        headers, refused = self.gate.refusal(_token(request), endpoint)
        entry = {"endpoint": endpoint, "path": request.path, "query": dict(request.query), "at": time.time()}
        self.gate.requests.append({**entry, "status": refused.status if refused else 200})
        return headers, refused

    async def _anything_recorded(self, request: web.Request) -> web.Response:
        found = recorded.find(self._recordings, request.method, request.path, request.query)
        if not found:
            return web.json_response(shapes.problem("Not Found", "Not Found", ""), status=404)
        return web.Response(
            body=found.body, status=found.status, headers=found.headers, content_type="application/json"
        )

    # --- posts --------------------------------------------------------------------------------------------------------

    async def _search(self, request: web.Request) -> tuple[int, dict[str, Any]]:
        query = request.query
        text = query.get("query", "")
        if not text or len(text) > self._query_length:
            return 400, shapes.invalid("query", text, f"The query must have 1 to {self._query_length} characters")
        try:
            match = compiled(text)
        except BadQueryError as error:
            return 400, shapes.invalid("query", text, f"There were errors processing your request: {error}")
        oldest = (int(time.time() * 1000) - _SEARCHED_MS - EPOCH_MS) << 22
        for name in ("since_id", "until_id"):
            if name in query and int(query[name]) < oldest:
                message = f"'{name}' must be a tweet id created after 7 days ago. Use one larger than {oldest}"
                return 400, shapes.invalid(name, query[name], message)
        return self._page(request, "next_token", 10, lambda tweet: tweet.id > oldest and match(tweet, self.world))

    async def _timeline(self, request: web.Request) -> tuple[int, dict[str, Any]]:
        user = self.world.users.get(int(request.match_info["id"]))
        if user is None or user.state in {"gone", "suspended"}:
            return 200, {"errors": [shapes.no_user(request.match_info["id"], "id", user)]}
        if user.state == "protected":
            return 200, {"errors": [shapes.protected(request.match_info["id"])]}
        kinds = {"retweets": "retweeted", "replies": "replied_to"}
        left_out = {kinds[name] for name in request.query.get("exclude", "").split(",") if name}
        return self._page(
            request,
            "pagination_token",
            5,
            lambda tweet: tweet.author == user.id and not any(kind in left_out for kind, _ in tweet.references),
        )

    def _page(
        self, request: web.Request, token_name: str, fewest: int, wanted: Callable[[Tweet], bool]
    ) -> tuple[int, dict[str, Any]]:
        query = request.query
        most = int(query.get("max_results", 10))
        if not fewest <= most <= 100:
            return 400, shapes.invalid("max_results", str(most), f"is not between {fewest} and 100")
        high = int(query["until_id"]) if "until_id" in query else None
        if token := query.get(token_name):
            high = int(token, 36)
        found: list[Tweet] = []
        for tweet in self.world.between(int(query.get("since_id", 0)), high):
            if not (wanted(tweet) and self.world.is_visible(tweet)):
                continue
            if len(found) == most:
                return 200, self._with_meta(request, found, _token_of(found[-1].id))
            found.append(tweet)
        return 200, self._with_meta(request, found, "")

    def _with_meta(self, request: web.Request, found: list[Tweet], token: str) -> dict[str, Any]:
        meta: dict[str, Any] = {"result_count": len(found)}
        if found:
            meta = {"newest_id": str(found[0].id), "oldest_id": str(found[-1].id), **meta}
        return {
            **Writer(self.world, request.query).body(found),
            "meta": {**meta, **({"next_token": token} if token else {})},
        }

    async def _tweets(self, request: web.Request) -> tuple[int, dict[str, Any]]:
        wanted = request.query["ids"].split(",")
        known = {number: self.world.tweets.get(int(number)) for number in wanted}
        found = [tweet for tweet in known.values() if tweet and self.world.is_visible(tweet)]
        shown = {str(tweet.id) for tweet in found}
        errors = [shapes.no_tweet(number, "ids") for number in wanted if number not in shown]
        return 200, Writer(self.world, request.query).body(found, errors)

    async def _tweet(self, request: web.Request) -> tuple[int, dict[str, Any]]:
        number = request.match_info["id"]
        tweet = self.world.tweets.get(int(number))
        if not tweet or not self.world.is_visible(tweet):
            return 200, {"errors": [shapes.no_tweet(number, "id")]}
        body = Writer(self.world, request.query).body([tweet])
        return 200, {**body, "data": body["data"][0]}

    # --- accounts -----------------------------------------------------------------------------------------------------

    async def _users_by_name(self, request: web.Request) -> tuple[int, dict[str, Any]]:
        names = request.query["usernames"].split(",")
        return self._told([(name, self.world.named(name)) for name in names], "usernames")

    async def _users(self, request: web.Request) -> tuple[int, dict[str, Any]]:
        numbers = request.query["ids"].split(",")
        return self._told([(number, self.world.users.get(int(number))) for number in numbers], "ids")

    async def _user_by_name(self, request: web.Request) -> tuple[int, dict[str, Any]]:
        name = request.match_info["username"]
        user = self.world.named(name)
        if user is None or user.state in {"gone", "suspended"}:
            return 200, {"errors": [shapes.no_user(name, "username", user)]}
        return 200, {"data": shapes.user(user)}

    def _told(self, asked: list[tuple[str, User | None]], parameter: str) -> tuple[int, dict[str, Any]]:
        found = [user for _, user in asked if user and user.state in {"ok", "protected"}]
        errors = [
            shapes.no_user(value, parameter, user)
            for value, user in asked
            if user is None or user.state not in {"ok", "protected"}
        ]
        body: dict[str, Any] = {"data": [shapes.user(user) for user in found]} if found else {}
        return 200, {**body, **({"errors": errors} if errors else {})}

    # --- the stream ---------------------------------------------------------------------------------------------------

    async def _rules(self, request: web.Request) -> tuple[int, dict[str, Any]]:
        return 200, self.streams.rules(_token(request))

    async def _change(self, request: web.Request) -> tuple[int, dict[str, Any]]:
        return self.streams.change(_token(request), await request.json())

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        headers, refused = self._admit(request, "GET /2/tweets/search/stream")
        if refused := refused or self.streams.refusal(_token(request)):
            return refused
        if fault := self.gate.fault("GET /2/tweets/search/stream"):
            return await struck(request, fault, b"")
        return await self.streams.serve(request, _token(request), headers)


def _token(request: web.Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ").strip()


def _token_of(number: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = digits[digit] + text
    return text
