"""multilingual-e5-small through onnxruntime, its lower layers in four bits: what Chinese texts mean.

It judges what MiniLM can't read; the vector of every text is MiniLM's.
"""

from __future__ import annotations

import gzip
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import structlog

from apps.signals.adapters.embedder import (
    CHUNK,
    MAX_TOKENS,
    WEIGHTS,
    Chances,
    MiniLM,
    Vectors,
    fingerprint,
    padded,
    session,
)
from apps.signals.domain.beliefs import WIDTH
from apps.signals.domain.scripts import chinese
from tradebot.contracts.errors import NotConfigured

if TYPE_CHECKING:
    from tokenizers import Tokenizer

log = structlog.get_logger(__name__)

MODEL = "e5.q4.onnx"
TOKENIZER = "e5.tokenizer.json.gz"
NAME = "e5"


class E5:
    """Chances of Chinese texts. Safe for several threads."""

    def __init__(self, weights: Path = WEIGHTS) -> None:
        model = weights / MODEL
        # One thread, like MiniLM: several texts go side by side, one text is not split.
        self._session = session(model, 1)
        self._tokenizer = _tokenizer(weights / TOKENIZER)
        self.version = f"{NAME}-{fingerprint(model)}"
        log.info("encoder_ready", encoder=self.version, provider=self._session.get_providers()[0])

    def chances(self, texts: Sequence[str]) -> Chances:
        """float32, shape (len(texts), 22), as domain/beliefs.py names them, in the order given."""
        rows = [each.ids for each in self._tokenizer.encode_batch_fast(list(texts))]
        found = np.empty((len(rows), WIDTH), dtype=np.float32)
        order = sorted(range(len(rows)), key=lambda at: len(rows[at]))
        for start in range(0, len(order), CHUNK):
            chosen = order[start : start + CHUNK]
            ids, mask = padded([rows[at] for at in chosen])
            (found[chosen],) = self._session.run(["chances"], {"input_ids": ids, "attention_mask": mask})
        return found


def _tokenizer(file: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        found = Tokenizer.from_buffer(gzip.decompress(file.read_bytes()))
    except OSError:
        raise NotConfigured(
            f"{file.name} is missing: restore apps/signals/weights or rebuild it (its README)"
        ) from None
    found.enable_truncation(MAX_TOKENS)
    found.no_padding()
    return found


_made: dict[Path, E5 | NotConfigured] = {}
_lock = threading.Lock()


def get_e5(weights: Path = WEIGHTS) -> E5:
    """This process's encoder, made when the first Chinese text comes. Raises NotConfigured where its files are
    absent."""
    with _lock:
        if weights not in _made:
            try:
                _made[weights] = E5(weights)
            except NotConfigured as reason:
                log.warning("encoder_not_configured", encoder=NAME, reason=str(reason))
                _made[weights] = reason
        found = _made[weights]
    if isinstance(found, NotConfigured):
        raise found
    return found


def read(texts: Sequence[str], minilm: MiniLM) -> tuple[Vectors, Chances, list[str]]:
    """The vectors and chances of `MiniLM.read`, the chances of Chinese texts by the encoder that can read them, and the
    version of whoever gave each text's chances; empty where nobody could read it."""
    vectors, chances = minilm.read(texts)
    judges = [minilm.version] * len(texts)
    at = [place for place, text in enumerate(texts) if chinese(text)]
    if at:
        try:
            encoder = get_e5()
        except NotConfigured:
            return vectors, chances, judges
        chances[at] = encoder.chances([texts[place] for place in at])
        for place in at:
            judges[place] = encoder.version
    return vectors, chances, judges


def version(weights: Path = WEIGHTS) -> str:
    """Added to the version of the analyzer that asks the encoder; empty where its file is absent."""
    model = weights / MODEL
    return f"+{NAME}-{fingerprint(model)}" if model.is_file() else ""
