"""The wire to an OpenAI-compatible server: exactly its address, no redirect, no proxy, bounded in time and size.

https://platform.openai.com/docs/api-reference/chat, as vLLM, Ollama and llama.cpp serve it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import httpx

from apps.signals.adapters.llm_answers import LLMError, Reply, Unavailable, error_of, is_done, read_events, read_whole
from apps.signals.adapters.llm_config import LLMConfig
from apps.signals.adapters.llm_prompt import MODES, NotTheSchema, request
from apps.signals.adapters.llm_waits import seconds_to_wait

LIMIT = 1_048_576
"""Bytes of one answer."""
KEEP_ALIVE = 4.0
"""Seconds: less than the five that uvicorn (vLLM) keeps an idle connection."""
_ABOUT_FORMAT = re.compile(r"response_format|json.?schema|json_object|grammar|guided|structured", re.IGNORECASE)
_FORMAT_STATUS = (400, 415, 422, 501)

Spend = Callable[[], None]
"""Called before every request; raises where the budget is spent."""


class FormatRefused(LLMError):
    """The server may not know this way to ask for JSON."""


class LLMClient:
    """Safe for several threads. Remembers the strictest way to ask for JSON that the server takes."""

    def __init__(self, config: LLMConfig) -> None:
        self._config = config
        self._mode = 0
        headers = {"Accept": "application/json, text/event-stream", "Accept-Encoding": "identity"}
        if config.api_key:
            headers["Authorization"] = f"Bearer {config.api_key}"
        limits = httpx.Limits(max_connections=config.parallel, keepalive_expiry=KEEP_ALIVE)
        # Certificates take a tenth of a second and some megabytes to load; no other address is ever asked.
        tls = config.url.startswith("https://")
        self._http = httpx.Client(headers=headers, limits=limits, verify=tls, trust_env=False, follow_redirects=False)

    def ask(self, text: str, deadline: float, spend: Spend) -> Reply:
        """The answer for `text` (`llm_prompt.shown`) until `deadline` (`time.monotonic`).

        Raises Unavailable where the server is at fault, NotTheSchema for what no answer is, LLMError for the rest.
        """
        refused: LLMError | None = None
        for number in range(self._mode, len(MODES)):
            if deadline <= time.monotonic():
                raise LLMError("no time was left for it in this batch")
            try:
                spend()
                reply = self._post(request(self._config.model, text, MODES[number]), deadline)
            except FormatRefused as error:
                refused = refused or error
                continue
            self._mode = max(self._mode, number)
            return reply
        raise LLMError(str(refused))

    def close(self) -> None:
        self._http.close()

    def _post(self, body: dict[str, Any], deadline: float) -> Reply:
        left = max(deadline - time.monotonic(), 0.001)
        try:
            with self._http.stream("POST", f"{self._config.url}/chat/completions", json=body, timeout=left) as response:
                return self._read(response, deadline)
        except httpx.TimeoutException:
            raise Unavailable(f"no answer within {self._config.timeout:g} s") from None
        except httpx.HTTPError as error:
            raise Unavailable(self._told(f"{type(error).__name__}: {error}")) from None

    def _read(self, response: httpx.Response, deadline: float) -> Reply:
        content = self._body(response, deadline)
        if response.status_code != 200:
            raise self._refusal(response, content)
        try:
            return read_events(content) if _is_stream(response) else read_whole(content)
        except NotTheSchema as error:
            raise NotTheSchema(self._told(str(error))) from None
        except Unavailable as error:
            raise Unavailable(self._told(str(error))) from None

    def _body(self, response: httpx.Response, deadline: float) -> bytes:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise Unavailable("the answer is compressed, which was not asked for")
        content, stream = bytearray(), _is_stream(response)
        for piece in response.iter_raw():
            content += piece
            if len(content) > LIMIT:
                raise Unavailable(f"the answer is larger than {LIMIT} bytes")
            if time.monotonic() > deadline:
                raise Unavailable(f"the answer did not end within {self._config.timeout:g} s")
            if stream and is_done(content, len(piece)):
                break
        return bytes(content)

    def _refusal(self, response: httpx.Response, content: bytes) -> LLMError:
        status, said = response.status_code, self._told(error_of(content))
        if 300 <= status < 400:
            return Unavailable(
                f"it redirects elsewhere ({status}), which is not followed; set LLM_URL to the final address"
            )
        if status in (401, 403):
            return Unavailable(f"it refuses the key ({status}); look at LLM_API_KEY")
        if status == 404:
            return Unavailable(f"it knows no such path or model (404: {said}); look at LLM_URL and LLM_MODEL")
        if status in _FORMAT_STATUS or _ABOUT_FORMAT.search(said):
            return FormatRefused(f"it refuses the request ({status}: {said})")
        if status in (408, 429) or status >= 500:
            return Unavailable(f"it answers {status}: {said}", wait=seconds_to_wait(response))
        return LLMError(f"it refuses the request ({status}: {said})")

    def _told(self, words: str) -> str:
        """What another side said, fit for a log and a note: one short printable line without our key."""
        if self._config.api_key:
            words = words.replace(self._config.api_key, "***")
        line = " ".join("".join(letter if letter.isprintable() else " " for letter in words).split())
        return line[:200] or "nothing"


def _is_stream(response: httpx.Response) -> bool:
    return str(response.headers.get("content-type", "")).lower().startswith("text/event-stream")
