"""Any Hugging Face sequence classifier that was exported to ONNX, as an analyzer plugin with its own tokenizer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import numpy as np
import structlog
from django.conf import settings
from numpy.typing import NDArray

from apps.signals.adapters.answers import answer
from apps.signals.adapters.embedder import session
from apps.signals.adapters.transformer_config import Folder, meanings, names_of
from apps.signals.domain.beliefs import capped
from tradebot.contracts.errors import NotConfigured
from tradebot.contracts.messages import AnalysisSignal, Beliefs, Evidence, Features, OCRResult
from tradebot.contracts.values import Direction

if TYPE_CHECKING:
    from tokenizers import Encoding

log = structlog.get_logger(__name__)

WEIGHT = 0.5
CEILING = 0.9
"""What a classifier calls its probability is mostly too sure; it is never surer than this."""
MAX_TOKENS = 256
CHUNK, GPU_CHUNK = 8, 128
"""Texts a run, on the processor and with CUDA."""
QUOTE = 280
UNKNOWN, SPLINTERED = 0.3, 1.2
"""Share of unknown tokens, and tokens for one character, from which a text is none that this model reads."""
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_FILES = ("model.onnx", "config.json", "tokenizer.json")

Logits = NDArray[np.float64]


S = TypeVar("S", bound=msgspec.Struct)


class Shape(msgspec.Struct):
    """What is read of config.json."""

    id2label: dict[str, str] = {}
    max_position_embeddings: int = 0
    pad_token_id: int | None = None


class Own(msgspec.Struct):
    """Our own tradebot.json beside the model; it need not be there."""

    temperature: float = 1.0


class TransformerAnalyzer:
    """One folder's classifier. Config: `weight`, `threads`; safe for several threads."""

    def __init__(self, folder: Folder, config: Mapping[str, Any] | None = None) -> None:
        given = config or {}
        self.name = folder.name
        self._weight = float(given.get("weight", WEIGHT))
        _require_files(folder)
        shape, own = _read(folder, "config.json", Shape), _read(folder, "tradebot.json", Own)
        self._meanings = meanings(_names(shape, folder), folder)
        self._temperature = _temperature(own, folder)
        self._tokenizer, self._unknown = _tokenizer(folder, shape)
        self._pad = shape.pad_token_id or 0
        self._session = _loaded(folder, int(given.get("threads", settings.MODEL_THREADS)))
        self._inputs = _inputs(self._session, folder)
        self.provider: str = self._session.get_providers()[0]
        self._chunk = GPU_CHUNK if self.provider.startswith("CUDA") else CHUNK
        self.version = f"{folder.name}-{_fingerprint(folder)}"
        self._require_outputs(folder)
        log.info("transformer_ready", analyzer=self.name, provider=self.provider, version=self.version)

    @property
    def weight(self) -> float:
        return self._weight

    def analyze(self, text: str, images: list[OCRResult]) -> AnalysisSignal:
        """`text` holds the pictures' text already."""
        return self._judge([text])[0]

    def analyze_batch(self, batch: Sequence[Features]) -> list[AnalysisSignal]:
        """One answer a post, in runs of texts of like length."""
        return self._judge([post.text for post in batch])

    def logits(self, texts: Sequence[str]) -> Logits:
        """The model's raw outputs, float64, shape (len(texts), labels), in the order given."""
        return self._logits(self._tokenizer.encode_batch(list(texts)))

    def _judge(self, texts: Sequence[str]) -> list[AnalysisSignal]:
        encoded = self._tokenizer.encode_batch(list(texts))
        known = [place for place, each in enumerate(encoded) if self._reads(each)]
        said = [answer(self.name, Direction.NEUTRAL, 0.0) for _ in texts]
        chances = softmax(self._logits([encoded[place] for place in known]) / self._temperature)
        for place, row in zip(known, chances, strict=True):
            said[place] = self._answer(texts[place], row)
        return said

    def _logits(self, encoded: Sequence[Encoding]) -> Logits:
        order = sorted(range(len(encoded)), key=lambda place: len(encoded[place].ids))
        found = np.empty((len(encoded), len(self._meanings)), dtype=np.float64)
        for start in range(0, len(order), self._chunk):
            chosen = order[start : start + self._chunk]
            found[chosen] = self._run([encoded[place] for place in chosen])
        if not np.isfinite(found).all():
            raise ValueError(f"{self.name} computed something that is no number")
        return found

    def _run(self, encoded: Sequence[Encoding]) -> Any:
        longest = max(1, *(len(each.ids) for each in encoded))
        ids = np.full((len(encoded), longest), self._pad, dtype=np.int64)
        mask, kinds = np.zeros_like(ids), np.zeros_like(ids)
        for row, each in enumerate(encoded):
            length = len(each.ids)
            ids[row, :length], mask[row, :length], kinds[row, :length] = each.ids, 1, each.type_ids
        given = dict(zip(_INPUTS, (ids, mask, kinds), strict=True))
        return self._session.run(None, {name: given[name].astype(kind) for name, kind in self._inputs.items()})[0]

    def _answer(self, text: str, chances: Logits) -> AnalysisSignal:
        by_direction = dict.fromkeys(Direction, 0.0)
        for meaning, chance in zip(self._meanings, chances, strict=True):
            by_direction[meaning] += float(chance)
        best = max(by_direction, key=lambda each: by_direction[each])
        confidence = min(by_direction[best], CEILING)
        beliefs = Beliefs(direction=capped({each.value: chance for each, chance in by_direction.items()}, CEILING))
        return answer(self.name, best, confidence, self._evidence(text, confidence), beliefs=beliefs)

    def _evidence(self, text: str, weight: float) -> list[Evidence]:
        """The model judges a text as a whole; it quotes the first line of it."""
        line = next((line for line in text.split("\n") if line.strip()), "")[:QUOTE]
        if not line:
            return []
        start = text.index(line)
        span = (start, start + len(line))
        return [Evidence(kind="text", quote=line, weight=round(weight, 3), model=self.version, span=span)]

    def _reads(self, encoded: Encoding) -> bool:
        """Whether the text is in a language of the model: its tokenizer knows it and does not fall into pieces."""
        pairs = zip(encoded.ids, encoded.special_tokens_mask, strict=True)
        tokens = [token for token, added in pairs if not added]
        characters = max((end for _, end in encoded.offsets), default=0)
        if not tokens or not characters:
            return False
        return tokens.count(self._unknown) / len(tokens) <= UNKNOWN and len(tokens) / characters <= SPLINTERED

    def _require_outputs(self, folder: Folder) -> None:
        try:
            shape = self._run(self._tokenizer.encode_batch(["warm"])).shape
        except Exception as error:  # noqa: BLE001 - the border to somebody's model
            raise NotConfigured(f"{folder.name}: its model.onnx can't be run: {str(error)[:200]}") from None
        if shape != (1, len(self._meanings)):
            raise NotConfigured(
                f"{folder.name}: the first output of its model.onnx has the shape {shape}, not one number for each of"
                f" the {len(self._meanings)} labels; export a sequence classifier (manage.py export_model)"
            )


def softmax(logits: Logits) -> Logits:
    """Rows that sum to 1."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: Logits = raised / raised.sum(axis=1, keepdims=True)
    return found


def _require_files(folder: Folder) -> None:
    for name in _FILES:
        if not (folder.path / name).is_file():
            raise NotConfigured(
                f"TRANSFORMER_MODELS: {folder.name}={folder.path} has no {name};"
                " make the folder with manage.py export_model"
            )


def _read(folder: Folder, name: str, kind: type[S]) -> S:
    path = folder.path / name
    if not path.is_file():
        return kind()
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        raise NotConfigured(f"{folder.name}: its {name} can't be read: {error}") from None


def _names(shape: Shape, folder: Folder) -> list[str]:
    """The outputs' names; where config.json has none, the operator's labels say how many there are."""
    if names := names_of(shape.id2label):
        return names
    if folder.labels:
        return [each.value for each in folder.labels]
    raise NotConfigured(
        f"{folder.name}: its config.json has no id2label; say what its outputs mean with TRANSFORMER_LABELS, like"
        f" {folder.name}=bearish|neutral|bullish"
    )


def _temperature(own: Own, folder: Folder) -> float:
    if not 0.05 <= own.temperature <= 20:
        raise NotConfigured(f"{folder.name}: the temperature in its tradebot.json must be from 0.05 to 20")
    return own.temperature


def _tokenizer(folder: Folder, shape: Shape) -> tuple[Any, int]:
    """The folder's tokenizer, cutting texts at what the model reads, and its id of an unknown token (or -1)."""
    from tokenizers import Tokenizer

    try:
        found = Tokenizer.from_file(str(folder.path / "tokenizer.json"))
    except Exception as error:  # noqa: BLE001 - tokenizers raises nothing narrower
        raise NotConfigured(f"{folder.name}: its tokenizer.json can't be read: {str(error)[:200]}") from None
    # RoBERTa counts positions from its padding token on, so two of them are no places for words.
    most = shape.max_position_embeddings - 2 if shape.max_position_embeddings > 2 else MAX_TOKENS
    found.enable_truncation(min(MAX_TOKENS, most))
    found.no_padding()
    named = (found.token_to_id(each) for each in ("[UNK]", "<unk>"))
    return found, next((each for each in named if each is not None), -1)


def _loaded(folder: Folder, threads: int) -> Any:
    try:
        return session(folder.path / "model.onnx", threads)
    except Exception as error:  # noqa: BLE001 - onnxruntime raises nothing narrower
        raise NotConfigured(f"{folder.name}: its model.onnx can't be loaded: {str(error)[:200]}") from None


def _inputs(model: Any, folder: Folder) -> dict[str, Any]:
    """Names of the model's inputs and the numbers that each wants."""
    kinds = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
    found = {each.name: kinds.get(each.type) for each in model.get_inputs()}
    for name, kind in found.items():
        if name not in _INPUTS or kind is None:
            raise NotConfigured(
                f"{folder.name}: its model.onnx asks for {name!r}, which no text classifier of ours gets"
            )
    return found


def _fingerprint(folder: Folder) -> str:
    """Of everything that decides an answer."""
    whole = hashlib.sha256()
    weights = sorted(path.name for path in folder.path.glob("model.onnx*"))
    for name in (*weights, "config.json", "tokenizer.json", "tradebot.json"):
        whole.update(_digest(folder.path / name))
    whole.update("|".join(folder.labels).encode())
    return whole.hexdigest()[:12]


def _digest(path: Path) -> bytes:
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
