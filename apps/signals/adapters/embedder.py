"""MiniLM through onnxruntime: texts to unit vectors and what they mean, on CUDA where it is, else on the CPU."""

from __future__ import annotations

import base64
import gzip
import hashlib
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog
from django.conf import settings
from numpy.typing import NDArray

from apps.signals.domain.beliefs import WIDTH
from tradebot.contracts.errors import NotConfigured

if TYPE_CHECKING:
    # 23 MB that only a process with a model needs, while every process that knows the tasks imports this module.
    import onnxruntime as ort
    from tokenizers import Encoding, Tokenizer

log = structlog.get_logger(__name__)

WEIGHTS = Path(__file__).resolve().parents[1] / "weights"
MODEL = "minilm.int8.onnx"
TOKENIZER = "minilm.tokenizer.json.gz"
DIMENSIONS = 384
MAX_TOKENS = 128
CHUNK = 8
"""Texts a run: larger ones fall out of the cache of a CPU and are slower (weights/README.md)."""
GPU_CHUNK = 256

Vectors = NDArray[np.float32]
Chances = NDArray[np.float32]
OUTPUTS = ["vector", "chances"]


def providers() -> list[str]:
    """Execution providers to ask for, best first."""
    import onnxruntime as ort

    return [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in ort.get_available_providers()]


def session(model: Path, threads: int, weights: Mapping[str, NDArray[np.int8]] | None = None) -> ort.InferenceSession:
    """An onnxruntime session with `threads` threads; `weights` are those that the graph names and does not hold. Raises
    NotConfigured when the file is absent."""
    import onnxruntime as ort

    if not model.is_file():
        raise NotConfigured(f"{model.name} is missing: restore apps/signals/weights or rebuild it (its README)")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if threads > 1:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if weights:
        values = [ort.OrtValue.ortvalue_from_numpy(each) for each in weights.values()]
        options.add_external_initializers(list(weights), values)
    return ort.InferenceSession(str(model), options, providers=providers())


class MiniLM:
    """The Embedder port over all-MiniLM-L6-v2; reads the first 128 tokens of a text. Safe for several threads."""

    def __init__(self, threads: int = 1, weights: Path = WEIGHTS) -> None:
        model = weights / MODEL
        # One thread a run and several runs at once: splitting one text over threads gains nothing (weights/README.md).
        self._session = session(model, 1)
        self._pool = ThreadPoolExecutor(threads, "minilm") if threads > 1 else None
        self.tokenizer = tokenizer(weights / TOKENIZER)
        self.provider: str = self._session.get_providers()[0]
        self.version = f"minilm-l6-v2-int8-{_fingerprint(model)}"
        self._chunk = GPU_CHUNK if self.provider.startswith("CUDA") else CHUNK
        log.info("embedder_ready", provider=self.provider, threads=threads, version=self.version)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """float32 array, shape (len(texts), 384), rows of length 1, in the order given."""
        return self.read(texts)[0]

    def read(self, texts: Sequence[str]) -> tuple[Vectors, Chances]:
        """The vectors of `embed`, and float32 chances of shape (len(texts), 22) as domain/beliefs.py names them."""
        encoded = self._encoded(texts)
        order = sorted(range(len(encoded)), key=lambda i: len(encoded[i].ids))
        vectors = np.empty((len(encoded), DIMENSIONS), dtype=np.float32)
        chances = np.empty((len(encoded), WIDTH), dtype=np.float32)
        chunks = [order[start : start + self._chunk] for start in range(0, len(order), self._chunk)]
        # The longest first: what is left over at the end is short.
        for chosen, found in zip(
            chunks[::-1], self._runs([[encoded[i] for i in c] for c in chunks[::-1]]), strict=True
        ):
            vectors[chosen], chances[chosen] = found
        return vectors, chances

    def _runs(self, chunks: Sequence[Sequence[Encoding]]) -> Iterable[tuple[Vectors, Chances]]:
        return map(self._run, chunks) if self._pool is None or len(chunks) == 1 else self._pool.map(self._run, chunks)

    def _encoded(self, texts: Sequence[str]) -> list[Encoding]:
        found: list[Encoding] = self.tokenizer.encode_batch_fast(list(texts))
        return found

    def _run(self, encoded: Sequence[Encoding]) -> tuple[Vectors, Chances]:
        ids, mask = padded([item.ids for item in encoded])
        vectors, chances = self._session.run(OUTPUTS, {"input_ids": ids, "attention_mask": mask})
        return vectors, chances


def tokenizer(file: Path) -> Tokenizer:
    """Out of a `tokenizer.json`, which may be packed (`.gz`); splits the first MAX_TOKENS of a text. Raises OSError."""
    from tokenizers import Tokenizer

    content = file.read_bytes()
    found = Tokenizer.from_buffer(gzip.decompress(content) if file.suffix == ".gz" else content)
    found.enable_truncation(MAX_TOKENS)
    found.no_padding()
    return found


def inputs(
    splitter: Tokenizer, texts: Sequence[str], tokens: int = MAX_TOKENS
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`input_ids` and `attention_mask` for a model that reads `tokens` of each text."""
    return padded([_cut(item.ids, tokens) for item in splitter.encode_batch_fast(list(texts))])


def _cut(ids: list[int], tokens: int) -> list[int]:
    """The first tokens, and the mark of the end."""
    return ids if len(ids) <= tokens else [*ids[: tokens - 1], ids[-1]]


def padded(rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`input_ids` and `attention_mask` of token numbers, as long as the longest."""
    ids = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    mask = np.zeros_like(ids)
    for at, row in enumerate(rows):
        ids[at, : len(row)] = row
        mask[at, : len(row)] = 1
    return ids, mask


@lru_cache(maxsize=4)
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


def pack_chances(chances: Any) -> str:
    """Base64 of little-endian float16, as Features.chances carries them."""
    return base64.b64encode(np.asarray(chances, dtype="<f2").tobytes()).decode("ascii")


def unpack_chances(text: str) -> Chances:
    """What `pack_chances` wrote; raises ValueError unless it holds 22 finite numbers."""
    chances = np.frombuffer(base64.b64decode(text, validate=True), dtype="<f2").astype(np.float32)
    if chances.shape != (WIDTH,) or not np.isfinite(chances).all():
        raise ValueError(f"a text's chances are {WIDTH} finite numbers")
    return chances


def fingerprint(model: Path = WEIGHTS / MODEL) -> str:
    """The first 12 hex digits of a model file's SHA-256, without loading the model."""
    return _fingerprint(model)


def embedder() -> MiniLM:
    """The process's embedder with the threads of the settings."""
    return get_embedder(settings.MODEL_THREADS)
