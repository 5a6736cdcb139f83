"""MiniLM through onnxruntime: texts to unit vectors, on CUDA where it is, else on the CPU."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog
from django.conf import settings
from numpy.typing import NDArray

from tradebot.contracts.errors import NotConfigured

if TYPE_CHECKING:
    # 23 MB that only a process with a model needs, while every process that knows the tasks imports this module.
    import onnxruntime as ort
    from tokenizers import Encoding

log = structlog.get_logger(__name__)

WEIGHTS = Path(__file__).resolve().parents[1] / "weights"
DIMENSIONS = 384
MAX_TOKENS = 128
CHUNK = 8
"""Texts a run: larger ones fall out of the cache of a CPU and are slower (weights/README.md)."""
GPU_CHUNK = 256

Vectors = NDArray[np.float32]


def providers() -> list[str]:
    """Execution providers to ask for, best first."""
    import onnxruntime as ort

    return [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in ort.get_available_providers()]


def session(model: Path, threads: int) -> ort.InferenceSession:
    """An onnxruntime session with `threads` threads; raises NotConfigured when the file is absent."""
    import onnxruntime as ort

    if not model.is_file():
        raise NotConfigured(f"{model.name} is missing: restore apps/signals/weights or rebuild it (its README)")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if threads > 1:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(str(model), options, providers=providers())


class MiniLM:
    """The Embedder port over all-MiniLM-L6-v2; reads the first 128 tokens of a text. Safe for several threads."""

    def __init__(self, threads: int = 1, weights: Path = WEIGHTS) -> None:
        from tokenizers import Tokenizer

        model = weights / "minilm.int8.onnx"
        self._session = session(model, threads)
        self._tokenizer = Tokenizer.from_file(str(weights / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.no_padding()
        self.provider: str = self._session.get_providers()[0]
        self.version = f"minilm-l6-v2-int8-{_fingerprint(model)}"
        self._chunk = GPU_CHUNK if self.provider.startswith("CUDA") else CHUNK
        log.info("embedder_ready", provider=self.provider, threads=threads, version=self.version)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """float32 array, shape (len(texts), 384), rows of length 1, in the order given."""
        encoded = self._tokenizer.encode_batch_fast(list(texts))
        order = sorted(range(len(encoded)), key=lambda i: len(encoded[i].ids))
        vectors = np.empty((len(encoded), DIMENSIONS), dtype=np.float32)
        for start in range(0, len(order), self._chunk):
            chosen = order[start : start + self._chunk]
            vectors[chosen] = self._run([encoded[i] for i in chosen])
        return vectors

    def _run(self, encoded: Sequence[Encoding]) -> Vectors:
        longest = max(len(item.ids) for item in encoded)
        ids = np.zeros((len(encoded), longest), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, item in enumerate(encoded):
            ids[row, : len(item.ids)] = item.ids
            mask[row, : len(item.ids)] = 1
        vectors: Vectors = self._session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        return vectors


@lru_cache(maxsize=1)
def _fingerprint(model: Path) -> str:
    with model.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


_made: dict[int, MiniLM] = {}
_lock = threading.Lock()


def get_embedder(threads: int = 1) -> MiniLM:
    """This process's embedder, made on first use: a session must not be made before a fork."""
    with _lock:
        if threads not in _made:
            _made[threads] = MiniLM(threads)
        return _made[threads]


def pack(vector: Any) -> str:
    """Base64 of little-endian float32, as Features.vector carries it."""
    return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode("ascii")


def unpack(text: str) -> Vectors:
    """The vector that `pack` wrote; raises ValueError unless it holds 384 finite numbers."""
    vector = np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4").astype(np.float32)
    if vector.shape != (DIMENSIONS,) or not np.isfinite(vector).all():
        raise ValueError(f"a vector needs {DIMENSIONS} finite numbers")
    return vector


def embedder() -> MiniLM:
    """The process's embedder with the threads of the settings."""
    return get_embedder(settings.MODEL_THREADS)
