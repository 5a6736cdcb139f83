"""The filtered stream: rules, the one connection that an app may have, and what goes over it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from aiohttp import web

from tests.outside.x.query import BadQueryError, compiled
from tests.outside.x.shapes import Writer, problem
from tests.outside.x.world import Tweet, World

RULE_LENGTH = 1024
MOST_RULES = 1000


@dataclass
class Rule:
    id: str
    value: str
    tag: str


@dataclass
class Connection:
    request: web.Request
    lines: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)

    @property
    def lives(self) -> bool:
        """Is the client still there?"""
        return self.request.transport is not None and not self.request.transport.is_closing()


class Streams:
    """Of one app; a token is an app here."""

    def __init__(self, world: World, keep_alive: float) -> None:
        self._world = world
        self._rules: dict[str, dict[str, Rule]] = {}
        self._open: dict[str, Connection] = {}
        self._ids = count(1_166_916_266_197_536_768)
        self.keep_alive = keep_alive
        self.silent = False

    # --- rules --------------------------------------------------------------------------------------------------------

    def rules(self, token: str) -> dict[str, Any]:
        found = list(self._rules.get(token, {}).values())
        body: dict[str, Any] = {"meta": {"sent": "2026-01-01T00:00:00.000Z", "result_count": len(found)}}
        return {"data": [_shown(rule) for rule in found], **body} if found else body

    def change(self, token: str, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and answer of a POST."""
        if "delete" in body:
            return 200, self._delete(token, body["delete"])
        return 201, self._add(token, body["add"])

    def _delete(self, token: str, given: Mapping[str, Any]) -> dict[str, Any]:
        rules = self._rules.setdefault(token, {})
        gone = [rules.pop(number) for number in given["ids"] if number in rules]
        summary = {"deleted": len(gone), "not_deleted": len(given["ids"]) - len(gone)}
        return {"meta": {"sent": "2026-01-01T00:00:00.000Z", "summary": summary}}

    def _add(self, token: str, given: list[Mapping[str, str]]) -> dict[str, Any]:
        rules = self._rules.setdefault(token, {})
        made: list[Rule] = []
        errors: list[dict[str, Any]] = []
        for entry in given:
            if error := self._wrong(entry["value"], rules):
                errors.append(error)
                continue
            rule = Rule(str(next(self._ids)), entry["value"], entry.get("tag", ""))
            rules[rule.id] = rule
            made.append(rule)
        summary = {"created": len(made), "not_created": len(errors), "valid": len(made), "invalid": len(errors)}
        body: dict[str, Any] = {"meta": {"sent": "2026-01-01T00:00:00.000Z", "summary": summary}}
        return {
            **body,
            **({"data": [_shown(rule) for rule in made]} if made else {}),
            **({"errors": errors} if errors else {}),
        }

    def _wrong(self, value: str, rules: Mapping[str, Rule]) -> dict[str, Any] | None:
        known = next((rule for rule in rules.values() if rule.value == value), None)
        if known:
            return problem("DuplicateRule", "", "duplicate-rules", value=value, id=known.id)
        if len(rules) >= MOST_RULES:
            return problem("RulesCapExceeded", "too many rules", "rule-cap", value=value)
        if len(value) > RULE_LENGTH:
            return _invalid(value, f"Rule length exceeded ({len(value)} > {RULE_LENGTH})")
        try:
            compiled(value)
        except BadQueryError as error:
            return _invalid(value, str(error))
        return None

    # --- connections --------------------------------------------------------------------------------------------------

    def refusal(self, token: str) -> web.Response | None:
        """Why there is no connection for this token now."""
        if token in self._open and self._open[token].lives:
            detail = "This stream is currently at the maximum allowed connection limit."
            told = problem("ConnectionException", detail, "streaming-connection", connection_issue="TooManyConnections")
            return web.json_response(told, status=429)
        if not self._rules.get(token):
            detail = "You must define rules before connecting to the stream."
            return web.json_response(problem("RuleConfigurationIssue", detail, "rule-configuration"), status=409)
        return None

    async def serve(self, request: web.Request, token: str, headers: Mapping[str, str]) -> web.StreamResponse:
        """Until either side ends it."""
        answer = web.StreamResponse(headers={**headers, "Content-Type": "application/json; charset=utf-8"})
        connection = self._open[token] = Connection(request)
        try:
            await answer.prepare(request)
            await self._write(answer, connection)
        except ConnectionResetError:
            pass
        finally:
            if self._open.get(token) is connection:
                del self._open[token]
        return answer

    async def _write(self, answer: web.StreamResponse, connection: Connection) -> None:
        while True:
            try:
                line = await asyncio.wait_for(connection.lines.get(), self.keep_alive)
            except TimeoutError:
                line = b""
            if line is None:
                return
            if not self.silent:
                await answer.write(line + b"\r\n")

    def tell(self, tweet: Tweet) -> None:
        """Every connection with a rule that lets it through."""
        for token, connection in self._open.items():
            rules = [rule for rule in self._rules[token].values() if compiled(rule.value)(tweet, self._world)]
            if rules:
                body = Writer(self._world, connection.request.query).body([tweet])
                body["data"] = body["data"][0]
                body["matching_rules"] = [{"id": rule.id, "tag": rule.tag} for rule in rules]
                connection.lines.put_nowait(json.dumps(body).encode())

    def write(self, line: str) -> None:
        """Any line, to all."""
        for connection in self._open.values():
            connection.lines.put_nowait(line.encode())

    def drop(self) -> None:
        """End all connections."""
        for connection in self._open.values():
            connection.lines.put_nowait(None)

    @property
    def listeners(self) -> int:
        return sum(connection.lives for connection in self._open.values())


def _shown(rule: Rule) -> dict[str, str]:
    shown = {"id": rule.id, "value": rule.value}
    return {**shown, "tag": rule.tag} if rule.tag else shown


def _invalid(value: str, detail: str) -> dict[str, Any]:
    return problem("UnprocessableEntity", "", "invalid-rules", value=value, details=[detail])
