"""Direction and vector of a post: against a bare onnxruntime session, and a batch against single calls."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradebot.settings")
django.setup()

import numpy as np  # noqa: E402 - Django first

from apps.signals.adapters.embedder import MAX_TOKENS, MODEL, OUTPUTS, WEIGHTS, get_embedder, inputs, session  # noqa: E402
from apps.signals.training.corpus import corpus  # noqa: E402
from tests.bench.results import Result, at_least  # noqa: E402

TEXTS = 256
BATCH = 32
THREADS = 2
ROUNDS = 5


def run() -> list[Result]:
    """Texts/s, the best of several rounds that take turns, so that other work on the machine meets all alike."""
    texts = [post.text for post in corpus() if post.lang == "en"][:TEXTS]
    ours, batches = get_embedder(THREADS).read, [texts[at : at + BATCH] for at in range(0, TEXTS, BATCH)]
    bare = _bare()
    ready = [inputs(get_embedder(THREADS).tokenizer, batch, MAX_TOKENS) for batch in batches]
    rates = _rates(
        {
            "bare": lambda: [bare.run(OUTPUTS, {"input_ids": ids, "attention_mask": mask}) for ids, mask in ready],
            "batch": lambda: [ours(batch) for batch in batches],
            "single": lambda: [ours([text]) for text in texts],
        }
    )
    where = get_embedder(THREADS).provider.removesuffix("ExecutionProvider")
    return [
        at_least(
            f"direction + vector, batch of {BATCH}, {where} (bare session)",
            rates["batch"],
            "texts/s",
            rates["bare"],
            0.9,
        ),
        at_least(
            f"direction + vector, batch of {BATCH}, {where} (single calls)",
            rates["batch"],
            "texts/s",
            rates["single"],
            1.6,
        ),
    ]


def _bare() -> Any:
    """The same model with as many threads, fed with tokens that are ready."""
    return session(WEIGHTS / MODEL, THREADS)


def _rates(candidates: dict[str, Callable[[], Any]]) -> dict[str, float]:
    seconds = {name: [] for name in candidates}  # type: dict[str, list[float]]
    for _ in range(ROUNDS):
        for name, work in candidates.items():
            begun = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - begun)
    return {name: TEXTS / float(np.min(taken)) for name, taken in seconds.items()}
