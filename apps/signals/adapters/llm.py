"""An LLM behind any OpenAI-compatible server as an analyzer plugin: advice that must quote, within a budget."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from typing import Any

import msgspec
import structlog
from prometheus_client import Counter

from apps.signals.adapters import llm_config
from apps.signals.adapters.answers import answer
from apps.signals.adapters.llm_answers import LLMError, Unavailable
from apps.signals.adapters.llm_breaker import Breaker
from apps.signals.adapters.llm_client import LLMClient
from apps.signals.adapters.llm_ledger import Ledger, content_key
from apps.signals.adapters.llm_prompt import PROMPT_VERSION, Answer, NotTheSchema, parse, shown, tokens
from tradebot.contracts.messages import AnalysisSignal, Evidence, Features, OCRResult
from tradebot.contracts.values import Direction

log = structlog.get_logger(__name__)

CEILING = 0.95
"""It is never surer than this."""
MANIPULATED, CONTRADICTORY = 0.9, 0.6
"""Confidence in neutral, where a post manipulates, and where the answer gives a direction to a report or a question."""
SECONDS_A_POST = 0.2
"""The panel's own allowance for every further post of a batch."""

_requests = Counter("tradebot_llm_requests", "What became of questions to the LLM.", ["outcome"])
_tokens = Counter("tradebot_llm_tokens", "Tokens that the LLM's server counted.")


class LLMAnalyzer:
    """Direction, mood and event by a language model. Config: what LLM_… set (`llm_config.LLMConfig`), by its name.

    `advisory`: the ensemble lets it doubt and support, never decide, and needs no answer of it for a quorum.
    """

    name = "llm"
    advisory = True

    def __init__(self, config: Mapping[str, Any] | None = None, ledger: Ledger | None = None) -> None:
        self._config = llm_config.read(config)
        self._client = LLMClient(self._config)
        self._ledger = ledger or Ledger(self._config)
        self._breaker = Breaker()
        self._pool: ThreadPoolExecutor | None = None
        self._reported = ""
        self.seconds = self._config.timeout + 1
        """How long the panel waits for it."""

    @property
    def version(self) -> str:
        """Model, what the server calls it where it says so, and prompt; at most 120 characters."""
        told = f"({self._reported[:45]})" if self._reported not in ("", self._config.model) else ""
        return f"llm-{self._config.model[:50]}{told}-{PROMPT_VERSION}"

    @property
    def weight(self) -> float:
        return self._config.weight

    def analyze(self, text: str, images: list[OCRResult]) -> AnalysisSignal:
        """`text` holds the pictures' text already. Raises LLMError with the reason where there is no verdict."""
        (said,) = self._judge([(text, "unknown")])
        if isinstance(said, Exception):
            raise said
        return said

    def analyze_batch(self, batch: Sequence[Features]) -> list[AnalysisSignal | Exception]:
        """One answer a post, or why there is none; several are asked for at once, each text only once."""
        return self._judge([(post.text, _source(post)) for post in batch])

    def close(self) -> None:
        """Give up its connections; questions under way end with an error."""
        self._client.close()

    def _judge(self, posts: Sequence[tuple[str, str]]) -> list[AnalysisSignal | Exception]:
        deadline = time.monotonic() + self._config.timeout + SECONDS_A_POST * (len(posts) - 1)
        waiting: dict[str, Future[Answer]] = {}
        for text, source in posts:
            if (words := shown(text)).strip() and words not in waiting:
                waiting[words] = self._workers().submit(self._asked, words, source, deadline)
        return [self._said(text, waiting.get(shown(text)), deadline) for text, _ in posts]

    def _workers(self) -> ThreadPoolExecutor:
        # Threads don't survive a fork, so none is made before the first post.
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._config.parallel, thread_name_prefix="llm")
        return self._pool

    def _said(self, text: str, asked: Future[Answer] | None, deadline: float) -> AnalysisSignal | Exception:
        if asked is None:
            return answer(self.name, Direction.NEUTRAL, 0.0)
        try:
            return self._signal(text, asked.result(max(0.0, deadline - time.monotonic())))
        except (Late, CancelledError):
            asked.cancel()
            return LLMError(f"no answer within {self._config.timeout:g} s")
        except (LLMError, NotTheSchema) as error:
            return error

    def _asked(self, words: str, source: str, deadline: float) -> Answer:
        key = content_key(PROMPT_VERSION, self._config.model, words)
        if (known := self._ledger.recall(key)) is not None and (kept := _parsed(known)) is not None:
            _requests.labels("cached").inc()
            return kept
        if why := self._breaker.refuses():
            _requests.labels("left_alone").inc()
            raise LLMError(why)
        found = self._found(words, source, deadline)
        self._ledger.keep(key, msgspec.json.encode(found))
        return found

    def _found(self, words: str, source: str, deadline: float) -> Answer:
        outcome = "not_asked"
        try:
            found = self._fresh(words, source, deadline)
            outcome = "answered"
        except Unavailable as error:
            outcome = "failed"
            self._breaker.failed(str(error), error.wait)
            log.warning("llm_failed", reason=str(error))
            raise
        except NotTheSchema as error:
            outcome = "nonsense"
            self._breaker.answered()
            log.warning("llm_answered_nonsense", reason=str(error))
            raise
        finally:
            self._breaker.passed()
            _requests.labels(outcome).inc()
        return found

    def _fresh(self, words: str, source: str, deadline: float) -> Answer:
        estimate, spent = tokens(words), 0

        def spend() -> None:
            nonlocal spent
            self._ledger.reserve(source, estimate)
            spent += estimate

        reply = self._client.ask(words, deadline, spend)
        self._breaker.answered()
        self._reported = reply.model or self._reported
        if reply.tokens is not None:
            _tokens.inc(reply.tokens)
            self._ledger.settle(source, reply.tokens - estimate)
        return parse(reply.content)

    def _signal(self, text: str, said: Answer) -> AnalysisSignal:
        direction, confidence = _decided(said)
        quotes = [quote for quote in dict.fromkeys(said.quotes) if quote.strip() and quote in text]
        if direction is not Direction.NEUTRAL and not quotes:
            raise LLMError(f"it says {direction} and quotes no words of the post")
        evidence = [
            Evidence(kind="text", quote=quote, weight=round(confidence, 3), model=self.version) for quote in quotes
        ]
        return answer(self.name, direction, confidence, evidence, said.event, mood=said.mood)


def _decided(said: Answer) -> tuple[Direction, float]:
    if said.manipulation:
        return Direction.NEUTRAL, MANIPULATED
    if said.direction is not Direction.NEUTRAL and said.mood in ("report", "question"):
        return Direction.NEUTRAL, CONTRADICTORY
    return said.direction, min(said.confidence, CEILING)


def _parsed(kept: bytes) -> Answer | None:
    try:
        return parse(kept)
    except NotTheSchema:
        return None


def _source(post: Features) -> str:
    return f"{post.source}:{post.channel or post.author}"
