"""multilingual-e5-small through onnxruntime, its lower layers kept in four bits: the second look at what texts mean.

It judges Chinese texts, which MiniLM can't read, and has a say on those where MiniLM is in doubt, at one and a half
times the time of MiniLM. The vector of every text is MiniLM's.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import structlog
from numpy.typing import NDArray

from apps.signals.adapters.embedder import (
    CHUNK,
    WEIGHTS,
    Chances,
    fingerprint,
    padded,
    session,
    tokenizer,
)
from apps.signals.adapters.fourbits import load
from apps.signals.adapters.hashing import softmax
from apps.signals.domain.beliefs import PLACES, WIDTH
from apps.signals.domain.scripts import chinese, latin
from tradebot.contracts.errors import NotConfigured

if TYPE_CHECKING:
    from tokenizers import Tokenizer

log = structlog.get_logger(__name__)

MODEL = "e5.onnx"
PACKED = "e5.q4.npz"
TOKENIZER = "e5.tokenizer.json.gz"
NAME = "e5"
DOUBT = {True: 0.9, False: 0.6}
"""Where MiniLM gives its likeliest direction less, both are asked: of a text about a coin, and of any other, which can
lead to no order and is worth less time."""
SHARES = {"direction": (0.46, 0.73), "event": (0.55, 0.62), "mood": (0.63, 0.52)}
"""Exponents of MiniLM's and of e5's chances in what both hold together: fitted (training/ship.py)."""
LEAST = 1e-3


class E5:
    """Chances of texts. Safe for several threads."""

    def __init__(self, weights: Path = WEIGHTS) -> None:
        # One thread, like MiniLM: several texts go side by side, one text is not split.
        self._session = session(weights / MODEL, 1, _weights(weights / PACKED))
        self._tokenizer = _tokenizer(weights / TOKENIZER)
        self.version = _version(weights)
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


def _weights(file: Path) -> dict[str, NDArray[np.int8]]:
    try:
        return load(file)
    except OSError:
        raise _missing(file) from None


def _tokenizer(file: Path) -> Tokenizer:
    try:
        return tokenizer(file)
    except OSError:
        raise _missing(file) from None


def _missing(file: Path) -> NotConfigured:
    return NotConfigured(f"{file.name} is missing: restore apps/signals/weights or rebuild it (its README)")


_made: dict[Path, E5 | NotConfigured] = {}
_lock = threading.Lock()


def get_e5(weights: Path = WEIGHTS) -> E5:
    """This process's encoder, made when the first text needs it. Raises NotConfigured where its files are
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


def warm_up() -> None:
    """Make the encoder where its files are."""
    with suppress(NotConfigured):
        get_e5()


def second_look(
    texts: Sequence[str], chances: Chances, first: str, about: Sequence[bool] | None = None
) -> tuple[Chances, list[str]]:
    """MiniLM's chances, with e5's of Chinese texts and its say on doubtful ones, and the version of whoever gave each
    text's chances. `first`: MiniLM's version; `about`: whether a text is about a coin (None: all are). Without e5's
    files all chances are MiniLM's."""
    found, judges = chances.copy(), [first] * len(texts)
    alone = [at for at, text in enumerate(texts) if chinese(text)]
    both = [at for at, text in enumerate(texts) if latin(text) and doubtful(chances[at], about is None or about[at])]
    asked = alone + both
    if asked:
        try:
            encoder = get_e5()
        except NotConfigured:
            return found, judges
        second = encoder.chances([texts[at] for at in asked])
        found[alone] = second[: len(alone)]
        found[both] = together(chances[both], second[len(alone) :])
        for at in asked:
            judges[at] = encoder.version if at in alone else f"{first}+{encoder.version}"
    return found, judges


def doubtful(chances: Chances, about: bool) -> bool:
    """Whether the direction in WIDTH chances of one text is far from sure; `about`: it is about a coin."""
    return bool(chances[PLACES["direction"]].max() < DOUBT[about])


def together(one: Chances, other: Chances, shares: Mapping[str, tuple[float, float]] = SHARES) -> Chances:
    """Chances of MiniLM and of e5, (N, 22) each, as one opinion: a weighted sum of log-odds."""
    logs = [np.log(np.maximum(each, LEAST)) for each in (one, other)]
    found = np.empty_like(one)
    for kind, where in PLACES.items():
        held = sum(share * log[:, where] for share, log in zip(shares[kind], logs, strict=True))
        found[:, where] = softmax(np.asarray(held, dtype=np.float32))
    return found


def version(weights: Path = WEIGHTS) -> str:
    """Added to the version of the analyzer that asks the encoder; empty where its files are absent."""
    return f"+{_version(weights)}" if (weights / MODEL).is_file() and (weights / PACKED).is_file() else ""


def _version(weights: Path) -> str:
    return f"{NAME}-{fingerprint(weights / PACKED)}"
