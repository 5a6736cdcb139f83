"""Requests to X's API v2: their limits, and what its refusals mean."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from apps.sources.adapters.guarded import Fetched, GuardedClient
from apps.sources.adapters.limits import SharedLimits, limits_of, read_limit
from tradebot.contracts.errors import PermanentError, Throttled, TransientError

SEARCH = "GET /2/tweets/search/recent"
TIMELINE = "GET /2/users/:id/tweets"
LOOKUP = "GET /2/tweets"
USERS_BY_NAME = "GET /2/users/by"
USERS = "GET /2/users"
RULES = "GET /2/tweets/search/stream/rules"
CHANGE_RULES = "POST /2/tweets/search/stream/rules"
STREAM = "GET /2/tweets/search/stream"

_SERVICE = "x"
_CODE_RATE_LIMIT = 88
_CAP_SECONDS = 3600.0
"""A spent month or an empty purse: worth asking again every hour."""
URL_LIMIT = 16_000
"""A query of 4,096 characters, percent-encoded."""


class Refused(PermanentError):
    """X answered no. `status` is HTTP's, `kind` the last part of the problem's type, as `invalid-request`."""

    def __init__(self, reason: str, status: int, kind: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.kind = kind


class BadToken(Refused):
    """The token, or the app behind it, may ask nothing: no other request will fare better."""


class Api:
    """One token's way to X. Raises Throttled, TransientError (ask again), BadToken and Refused; never names the token.

    Used as a context manager, it keeps its connection open between requests.
    """

    def __init__(self, client: GuardedClient, base: str, token: str) -> None:
        self._client = client
        self._base = base.rstrip("/")
        self.headers = {"authorization": f"Bearer {token}", "accept": "application/json"}
        self.limits: SharedLimits = limits_of(_SERVICE, token)
        self.requests = 0

    def get(self, endpoint: str, path: str, params: Mapping[str, Any], more: str = "") -> Mapping[str, Any]:
        """The JSON object of a 200. `endpoint` names the limit that the request counts under; `more`: parameters that
        are encoded already."""
        query = urlencode({name: value for name, value in params.items() if value not in (None, "")})
        query = "&".join(filter(None, (query, more)))
        return self._ask(endpoint, "GET", f"{self._base}{path}?{query}" if query else self._base + path)

    def post(self, endpoint: str, path: str, body: Any) -> Mapping[str, Any]:
        """As `get`; a 201 is fine too."""
        return self._ask(endpoint, "POST", self._base + path, msgspec.json.encode(body))

    def _ask(self, endpoint: str, method: str, url: str, body: bytes | None = None) -> Mapping[str, Any]:
        self.limits.ask(endpoint)
        self.requests += 1
        headers = {**self.headers, "content-type": "application/json"} if body is not None else self.headers
        answer = self._client.ask(method, url, headers, body, follow=False)
        if answer.status != 429:
            self.note(endpoint, answer.headers)
        return self._read(endpoint, answer)

    def note(self, endpoint: str, headers: Mapping[str, str]) -> None:
        """Let all workers know what is left by an answer's headers (names in lower case)."""
        if told := read_limit(headers):
            self.limits.note(endpoint, limit=told[0], remaining=told[1], reset=told[2])

    def _read(self, endpoint: str, answer: Fetched) -> Mapping[str, Any]:
        if answer.status in {200, 201}:
            return decoded(answer.body)
        raise refusal(endpoint, answer.status, answer.headers, answer.body, self.limits)


def decoded(body: bytes) -> Mapping[str, Any]:
    """The JSON object in `body`. Raises TransientError for anything else."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = _leniently(body)
    if not isinstance(found, Mapping):
        raise TransientError("X's answer is not the JSON object that it should be")
    return found


def _leniently(body: bytes) -> Any:
    # Half a surrogate pair in somebody's post must not hide the posts of others.
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def refusal(
    endpoint: str, status: int, headers: Mapping[str, str], body: bytes, limits: SharedLimits
) -> PermanentError | TransientError:
    """What to raise for an answer that is no success; a limit is remembered for every worker. X explains itself in one
    of two shapes, `{"errors": [{"code", "message"}]}` or a problem (`title`, `detail`, `type`), or not at all."""
    problem = _problem(body)
    reason = f"X refused {endpoint} ({status}): {_words(problem)}"
    kind = str(problem.get("type") or "").rpartition("/")[2]
    if kind == "usage-capped" or status == 402:
        # Not asked again for an hour by anybody; 402: credits are used up.
        return Throttled(f"{reason}; see the usage page of X's console", limits.hold(endpoint, _CAP_SECONDS).until)
    if status in {420, 429} or problem.get("code") == _CODE_RATE_LIMIT:
        told = read_limit(headers)
        return limits.refused(endpoint, told[2] if told else None)
    if status == 401:
        return BadToken(f"{reason}. The bearer token is wrong or was revoked: put a new one in", status, kind)
    if status == 403:
        return BadToken(f"{reason}. Look at the app's access and project in X's console", status, kind)
    if status >= 500 or status in {408, 425}:
        return TransientError(f"X could not answer {endpoint} ({status})")
    return Refused(reason, status, kind)


def _problem(body: bytes) -> Mapping[str, Any]:
    """The problem, or the first of the errors that say more."""
    try:
        found = decoded(body)
    except TransientError:
        return {}
    errors = problems(found)
    # An error inside of an invalid-request names the parameter; elsewhere the problem itself says more.
    if errors and (not found.get("detail") or str(found.get("type")).endswith("invalid-request")):
        return {**found, **errors[0]}
    return found


def problems(body: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The entries of `errors`, also beside a 200: what was asked for and can't be shown."""
    errors = body.get("errors")
    return [error for error in errors if isinstance(error, Mapping)] if isinstance(errors, list) else []


def _words(problem: Mapping[str, Any]) -> str:
    said = problem.get("message") or problem.get("detail") or problem.get("title")
    return str(said)[:300] if said else "no reason given"
