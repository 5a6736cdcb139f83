"""What a server answered, out of its JSON or its stream of events: the text, who wrote it, what it cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from apps.signals.adapters.llm_prompt import NotTheSchema

_MOST_TOKENS_TOLD = 1_000_000
_DONE = b"[DONE]"


class LLMError(Exception):
    """Why there is no verdict by the LLM: a sentence for the post's notes."""


class Unavailable(LLMError):
    """The server is at fault, whatever was asked. `wait`: seconds that it wants to be left alone."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Reply:
    """`model`: what the server says it is, version included; `tokens`: what it counted, None if it did not."""

    content: str
    model: str = ""
    tokens: int | None = None


class _Usage(msgspec.Struct):
    total_tokens: int | None = None


class _Words(msgspec.Struct):
    """A message, or a piece of one."""

    content: str | None = None
    refusal: str | None = None
    tool_calls: list[Any] | None = None


class _Choice(msgspec.Struct):
    message: _Words | None = None
    delta: _Words | None = None
    finish_reason: str | None = None
    index: int = 0


class _Completion(msgspec.Struct):
    choices: list[_Choice] = []
    model: str | None = None
    system_fingerprint: str | None = None
    usage: _Usage | None = None
    error: Any = None


_decoder = msgspec.json.Decoder(_Completion)


def read_whole(content: bytes) -> Reply:
    """The reply in a JSON body; raises NotTheSchema for what the model did, Unavailable for what the server did."""
    found = _decoded(content)
    if len(found.choices) != 1 or found.choices[0].message is None:
        raise Unavailable(f"its answer has {len(found.choices)} choices, not one with a message")
    choice = found.choices[0]
    _require_words(choice.message, choice.finish_reason)
    return Reply(str(choice.message.content), _name(found), _tokens(found)) if choice.message else Reply("")


def read_events(content: bytes) -> Reply:
    """The reply in server-sent events (`data: {chunk}`, then `data: [DONE]`); raises as `read_whole`."""
    pieces: list[str] = []
    name, tokens, finish = "", None, None
    for found in _events(content):
        name, tokens = _name(found) or name, _tokens(found) or tokens
        for choice in found.choices:
            if choice.index or choice.delta is None:
                raise Unavailable("it streams more than one answer, or none")
            finish = choice.finish_reason or finish
            _require_no_tool(choice.delta)
            pieces.append(choice.delta.content or "")
    if finish is None:
        raise Unavailable("its stream broke off before the end of the answer")
    text = "".join(pieces)
    _require_words(_Words(content=text), finish)
    return Reply(text, name, tokens)


def is_done(content: bytearray, fresh: int) -> bool:
    """Whether the stream has said its last word; `fresh` bytes are new."""
    return _DONE in content[-(fresh + len(_DONE)) :] and any(_payload(line) == _DONE for line in content.splitlines())


def error_of(content: bytes) -> str:
    """What an error body says, in any of the usual shapes."""
    try:
        found = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return content[:500].decode(errors="replace")
    return _message(found.get("error", found) if isinstance(found, dict) else found)


def _message(error: Any) -> str:
    if isinstance(error, dict):
        error = error.get("message") or error.get("detail") or error
    return error if isinstance(error, str) else str(error)[:500]


def _events(content: bytes) -> Iterator[_Completion]:
    for line in content.splitlines():
        payload = _payload(line)
        if payload == _DONE:
            return
        if payload:
            yield _decoded(payload)


def _payload(line: bytes | bytearray) -> bytes:
    return bytes(line[5:]).strip() if line.startswith(b"data:") else b""


def _decoded(content: bytes) -> _Completion:
    try:
        found = _decoder.decode(content)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Unavailable(f"its answer is no chat completion: {error}") from None
    if found.error:
        raise Unavailable(f"it answers with an error: {_message(found.error)}")
    return found


def _require_words(words: _Words | None, finish: str | None) -> None:
    _require_no_tool(words)
    if finish == "length":
        raise NotTheSchema("the answer was cut off: it is longer than it may be")
    if finish == "content_filter":
        raise NotTheSchema("the answer was held back by the server's filter")
    if words is None or not words.content:
        raise NotTheSchema("the answer is empty")


def _require_no_tool(words: _Words | None) -> None:
    if words is not None and words.tool_calls:
        raise NotTheSchema("the model wants to call a tool; it was given none")
    if words is not None and words.refusal:
        raise NotTheSchema(f"the model refuses: {words.refusal[:200]}")


def _name(found: _Completion) -> str:
    return "/".join(filter(None, (found.model, found.system_fingerprint)))


def _tokens(found: _Completion) -> int | None:
    told = found.usage.total_tokens if found.usage else None
    return None if told is None else min(max(told, 0), _MOST_TOKENS_TOLD)
