"""A model that `manage.py train` made, as an analyzer plugin: its folder is named in the configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from apps.signals.adapters.embedder import Vectors, get_embedder, inputs, session, tokenizer
from apps.signals.adapters.hashing import Counts, softmax
from apps.signals.adapters.ngrams import NGramAnalyzer, Table, load
from tradebot.contracts.errors import NotConfigured

SHARE = "model.json"
ENCODERS = {"encoder": ("encoder.onnx", "tokenizer.json"), "second": ("second.onnx", "second.tokenizer.json")}
"""The files of each encoder: the model, and its tokenizer where that is not MiniLM's."""
FORMAT, FORMATS = 2, (1, 2)
"""What is written, and what is read: 1 knew no second encoder."""
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Mix:
    """`shares`: what each part's log-probabilities weigh; `lift`: what is added for each class. Shape: see `train`."""

    shares: Mapping[str, float]
    lift: Sequence[float]

    def of(self, parts: Mapping[str, Floats]) -> Floats:
        """Probabilities (rows, 3) of the parts' probabilities."""
        logs = sum(self.shares[name] * np.log(np.maximum(chances, 1e-6)) for name, chances in parts.items())
        return softmax(np.asarray(logs + np.array(self.lift), dtype=np.float32))


class Encoder:
    """One fine-tuned encoder of a folder."""

    def __init__(self, model: Path, splitter: Path, tokens: int, threads: int) -> None:
        self._session = session(model, threads)
        self._tokenizer = tokenizer(splitter) if splitter.is_file() else None
        self._tokens = tokens

    def probabilities(self, texts: Sequence[str]) -> Floats:
        """float32, shape (len(texts), 3), rows sum to 1."""
        return np.concatenate([softmax(self._run(texts[at : at + 8])) for at in range(0, len(texts), 8)])

    def _run(self, texts: Sequence[str]) -> Vectors:
        splitter = self._tokenizer or get_embedder(1).tokenizer
        ids, mask = inputs(splitter, texts, self._tokens)
        found: Vectors = self._session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        return found


class Folder:
    """What stands in a trained folder: `model.json`, `ngrams.npz`, and the files of the `ENCODERS` that took part."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        told = _told(path / SHARE)
        self.mix = Mix(told["shares"], told["lift"])
        self.table: Table = load(path / "ngrams.npz")
        self.version = f"trained-{told['made']}"
        self._encoders = {
            name: Encoder(path / model, path / splitter, int(told["tokens"]), threads)
            for name, (model, splitter) in ENCODERS.items()
            if name in self.mix.shares
        }

    def probabilities(self, texts: Sequence[str]) -> Floats:
        """float32, shape (len(texts), 3), rows sum to 1: bearish, neutral, bullish."""
        parts = {"ngrams": self.table.probabilities(texts)}
        return self.mix.of(parts | {name: each.probabilities(texts) for name, each in self._encoders.items()})


def _told(path: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise NotConfigured(f"{path} can't be read; make the folder with `manage.py train`: {error}") from None
    if told.get("format") not in FORMATS or not {"shares", "lift", "made", "tokens"} <= told.keys():
        raise NotConfigured(f"{path} was not written by this version of `manage.py train`: train again")
    return told


class TrainedAnalyzer(NGramAnalyzer):
    """Direction by an operator's own model. Config: `path` of its folder (else the setting TRAINED_MODEL), `weight`."""

    name = "trained"

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        given = config or {}
        path = given.get("path") or getattr(settings, "TRAINED_MODEL", "")
        if not path:
            raise NotConfigured("no folder of a trained model is named (TRAINED_MODEL; docs/models.md)")
        self._folder = Folder(Path(path))
        super().__init__(given, self._folder.table)
        self.version = self._folder.version

    def _chances(self, texts: Sequence[str], counted: Sequence[Counts]) -> Floats:
        return self._folder.probabilities(texts)
