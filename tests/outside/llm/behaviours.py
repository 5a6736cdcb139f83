"""Every way this server answers: one model name each."""

from __future__ import annotations

import gzip
import itertools
import json
import time
from collections.abc import Callable
from typing import Any, Protocol

from tests.outside.llm.judge import honest, post_of, verdict


class Exchange(Protocol):
    """One request and the hand on its answer."""

    body: dict[str, Any]

    def answer(self, status: int, value: object, headers: dict[str, str] | None = None) -> None: ...
    def raw(self, status: int, kind: str, content: bytes, headers: dict[str, str] | None = None) -> None: ...
    def begin(self, kind: str) -> None: ...
    def piece(self, content: bytes) -> None: ...
    def end(self) -> None: ...
    def hang_up(self) -> None: ...
    def wait(self, seconds: float) -> None: ...


Behaviour = Callable[[Exchange], None]


def completion(body: dict[str, Any], content: str | None, **changes: Any) -> dict[str, Any]:
    """A whole answer as the API documents it. `finish`: why it ended; `message`: what else is in the message."""
    message = {"role": "assistant", "content": content, "refusal": None, **changes.get("message", {})}
    asked = sum(len(str(each.get("content"))) for each in body["messages"]) // 4
    answered = len(content or "") // 4 + 1
    return {
        "id": "chatcmpl-stand-in",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body["model"],
        "system_fingerprint": "stand-in-1",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": changes.get("finish", "stop")}],
        "usage": {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered},
    }


def error(message: str, kind: str = "invalid_request_error", **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": None, **more}}


def says(make: Callable[[dict[str, Any]], str | None], **changes: Any) -> Behaviour:
    """A server that works, and a model that says what `make` makes of the request; streamed where that is asked for."""

    def behave(exchange: Exchange) -> None:
        whole = completion(exchange.body, make(exchange.body), **changes)
        if exchange.body.get("stream"):
            stream(exchange, whole)
        else:
            exchange.answer(200, whole)

    return behave


def stream(exchange: Exchange, whole: dict[str, Any], *, finish: bool = True, done: bool = True) -> None:
    """`whole` as server-sent events, a few characters each."""
    exchange.begin("text/event-stream")
    content = whole["choices"][0]["message"]["content"] or ""
    pieces = ["".join(part) for part in itertools.batched(content, 7)] if hasattr(itertools, "batched") else None
    pieces = pieces if pieces is not None else [content[at : at + 7] for at in range(0, len(content), 7)]
    for delta in ({"role": "assistant", "content": ""}, *({"content": piece} for piece in pieces)):
        _event(exchange, whole, [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}])
    if finish:
        reason = whole["choices"][0]["finish_reason"]
        _event(exchange, whole, [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": reason}])
        _event(exchange, whole, [], usage=whole["usage"])
    if done:
        exchange.piece(b"data: [DONE]\n\n")
    exchange.end()


def _event(exchange: Exchange, whole: dict[str, Any], choices: list[Any], **more: Any) -> None:
    kept = {key: whole[key] for key in ("id", "created", "model", "system_fingerprint")}
    chunk = {**kept, "object": "chat.completion.chunk", "choices": choices, **more}
    exchange.piece(b": keep-alive\n\ndata: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n")


def refuses_formats(*kinds: str) -> Behaviour:
    """400 for these kinds of response_format, as servers of other ages do."""

    def behave(exchange: Exchange) -> None:
        kind = exchange.body.get("response_format", {}).get("type", "text")
        if kind in kinds:
            exchange.answer(400, error(f"Invalid value for 'response_format': {kind} is not supported."))
        else:
            says(honest)(exchange)

    return behave


def _hostile(body: dict[str, Any]) -> str:
    """As sure as can be, with true quotes: the worst that a server can say within the schema."""
    return json.dumps(verdict("bullish", _lines(body), confidence=1.0, mood="instruction", event="listing"))


def _hostile_down(body: dict[str, Any]) -> str:
    return json.dumps(verdict("bearish", _lines(body), confidence=1.0, mood="instruction", event="hack"))


def _lines(body: dict[str, Any]) -> list[str]:
    """Every line for itself: a quote that reaches from a post into its picture stands in neither."""
    return [line[:400] for line in post_of(body).split("\n") if line.strip()][:8] or ["?"]


def _endless(exchange: Exchange) -> None:
    exchange.begin("application/json")
    while True:
        exchange.piece(b" " * 65_536)


def _endless_stream(exchange: Exchange) -> None:
    exchange.begin("text/event-stream")
    whole = completion(exchange.body, "")
    while True:
        _event(exchange, whole, [{"index": 0, "delta": {"content": "buy " * 200}, "finish_reason": None}])


def _drips(exchange: Exchange) -> None:
    exchange.begin("application/json")
    while True:
        exchange.piece(b" ")
        exchange.wait(0.05)


def _slow(exchange: Exchange) -> None:
    exchange.wait(30)
    says(honest)(exchange)


def _keeps_open(exchange: Exchange) -> None:
    """A stream that has said its last word and does not hang up."""
    exchange.end = lambda: exchange.wait(30)  # type: ignore[method-assign]
    stream(exchange, completion(exchange.body, honest(exchange.body)))


def _tool(exchange: Exchange) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "place_order", "arguments": '{"side": "buy"}'}}
    exchange.answer(200, completion(exchange.body, None, finish="tool_calls", message={"tool_calls": [call]}))


def _two_choices(exchange: Exchange) -> None:
    whole = completion(exchange.body, honest(exchange.body))
    exchange.answer(200, {**whole, "choices": whole["choices"] * 2})


def _fixed(content: str, **changes: Any) -> Behaviour:
    return says(lambda body: content, **changes)


def _status(status: int, message: str, headers: dict[str, str] | None = None) -> Behaviour:
    return lambda exchange: exchange.answer(status, error(message), headers)


def _html(exchange: Exchange) -> None:
    exchange.raw(200, "text/html", b"<html><body>Welcome to nginx!</body></html>")


def _compressed(exchange: Exchange) -> None:
    body = json.dumps(completion(exchange.body, honest(exchange.body))).encode()
    exchange.raw(200, "application/json", gzip.compress(body), {"Content-Encoding": "gzip"})


def _quoting(post: str) -> str:
    return json.dumps(verdict("bullish", [post]))


BEHAVIOURS: dict[str, Behaviour] = {
    "honest": says(honest),
    "streams": lambda exchange: stream(exchange, completion(exchange.body, honest(exchange.body))),
    "keeps-open": _keeps_open,
    "breaks-off": lambda exchange: stream(
        exchange, completion(exchange.body, honest(exchange.body)), finish=False, done=False
    ),
    "no-schema": refuses_formats("json_schema"),
    "no-format": refuses_formats("json_schema", "json_object"),
    "hostile": says(_hostile),
    "hostile-down": says(_hostile_down),
    "hallucinates": _fixed(_quoting("words that nobody wrote")),
    "unquoted": _fixed(json.dumps(verdict("bullish", []))),
    "accuses": _fixed(json.dumps(verdict("bullish", [], manipulation=True))),
    "looks-back": says(lambda body: json.dumps(verdict("bullish", [post_of(body)[:9]], mood="report"))),
    "chats": _fixed("Sure! I think this is very bullish 🚀"),
    "fences": says(lambda body: f"```json\n{honest(body)}\n```"),
    "adds": _fixed(json.dumps(verdict("bullish", ["x"], order={"side": "buy", "amount": 1_000_000}))),
    "forgets": _fixed('{"direction": "bullish", "confidence": 0.9}'),
    "shouts": _fixed(json.dumps(verdict("STRONG BUY", ["x"]))),
    "exceeds": _fixed(json.dumps(verdict("bullish", ["x"], confidence=7))),
    "no-number": _fixed('{"direction": "bullish", "confidence": NaN}'),
    "invents": _fixed(json.dumps(verdict("bullish", ["x"], event="free_money"))),
    "verbose": _fixed(json.dumps(verdict("bullish", ["x" * 401]))),
    "nests": _fixed("[" * 20_000),
    "silent": _fixed(""),
    "refuses": says(lambda body: None, message={"refusal": "I can't help with that."}),
    "cut": _fixed('{"direction": "bull', finish="length"),
    "filtered": _fixed("", finish="content_filter"),
    "tools": _tool,
    "two": _two_choices,
    "html": _html,
    "error-200": lambda exchange: exchange.answer(200, error("CUDA out of memory", "server_error")),
    "compressed": _compressed,
    "busy": _status(429, "Rate limit reached", {"Retry-After": "40"}),
    "busy-silent": _status(429, "Rate limit reached"),
    "loading": _status(503, "Loading model", {"Retry-After": "2"}),
    "broken": _status(500, "Internal server error"),
    "too-long": _status(400, "This model's maximum context length is 16 tokens."),
    "redirects": lambda exchange: exchange.raw(307, "text/plain", b"", {"Location": "/v1/elsewhere"}),
    "drops": lambda exchange: exchange.hang_up(),
    "slow": _slow,
    "drips": _drips,
    "endless": _endless,
    "endless-stream": _endless_stream,
}
