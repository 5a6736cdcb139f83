"""What a test does to this X, at /_control: post, edit, delete, break, and ask what was asked."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tests.outside.x.server import X


class Control:
    """Every command is a POST with a JSON object, and answers one."""

    def __init__(self, x: X) -> None:
        self._x = x

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/_control/{command}", self._run)]

    async def _run(self, request: web.Request) -> web.Response:
        command = getattr(self, f"do_{request.match_info['command']}")
        return web.json_response(command(await request.json()))

    def do_posts(self, given: dict[str, Any]) -> dict[str, Any]:
        made = [self._x.world.post(post) for post in given["posts"]]
        for tweet in made:
            self._x.streams.tell(tweet)
        return {"ids": [str(tweet.id) for tweet in made]}

    def do_edit(self, given: dict[str, Any]) -> dict[str, Any]:
        tweet = self._x.world.edit(int(given["id"]), given["text"])
        self._x.streams.tell(tweet)
        return {"id": str(tweet.id)}

    def do_delete(self, given: dict[str, Any]) -> dict[str, Any]:
        self._x.world.delete(int(given["id"]))
        return {}

    def do_show(self, given: dict[str, Any]) -> dict[str, Any]:
        self._x.world.show(int(given["id"]))
        return {}

    def do_users(self, given: dict[str, Any]) -> dict[str, Any]:
        """`users`: objects with `username`, and `state` or `rename` where that is to change."""
        for entry in given["users"]:
            user = self._x.world.user(entry["username"])
            user.state = entry.get("state", user.state)
            if "rename" in entry:
                self._x.world.rename(entry["username"], entry["rename"])
        return {
            "ids": {
                entry["username"]: str(self._x.world.user(entry.get("rename", entry["username"])).id)
                for entry in given["users"]
            }
        }

    def do_limit(self, given: dict[str, Any]) -> dict[str, Any]:
        self._x.gate.limits[given["endpoint"]] = (given["requests"], given["seconds"])
        self._x.gate.shape = given.get("shape", "errors")
        return {}

    def do_faults(self, given: dict[str, Any]) -> dict[str, Any]:
        self._x.gate.faults = list(given["faults"])
        return {}

    def do_revoke(self, given: dict[str, Any]) -> dict[str, Any]:
        self._x.gate.revoked.add(given["token"])
        return {}

    def do_stream(self, given: dict[str, Any]) -> dict[str, Any]:
        """`write` a line, `drop` all connections, fall `silent` or not; tells how many listen."""
        if "write" in given:
            self._x.streams.write(given["write"])
        if given.get("drop"):
            self._x.streams.drop()
        self._x.streams.silent = given.get("silent", self._x.streams.silent)
        return {"listeners": self._x.streams.listeners}

    def do_requests(self, given: dict[str, Any]) -> dict[str, Any]:
        """All requests since the last `forget`."""
        found = list(self._x.gate.requests)
        if given.get("forget"):
            self._x.gate.requests.clear()
        return {"requests": found}
