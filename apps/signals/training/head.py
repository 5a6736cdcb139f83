"""Trains the direction head on MiniLM vectors and writes it as ONNX, with the figures it reached.

Run: `python -m apps.signals.training.head` with requirements/train.txt installed and TRADEBOT_SHARED_DATA set.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score

from apps.signals.adapters.classifier import Head
from apps.signals.adapters.embedder import WEIGHTS, get_embedder
from apps.signals.training import data
from apps.signals.training.data import Labelled

OWN_WEIGHT = 20.0
"""One own post counts as much as twenty news tweets: there are thirty times fewer, and they are the domain."""
STRENGTH = 10.0
SEED = 42
FOLDS = 5
CLASSES = (-1, 0, 1)


@cache
def vector(text: str) -> np.ndarray[Any, Any]:
    """A text's vector, embedded once a run."""
    found: np.ndarray[Any, Any] = get_embedder(2).embed([text])[0]
    return found


def vectors(rows: Sequence[Labelled]) -> np.ndarray[Any, Any]:
    """Shape (len(rows), 384)."""
    return np.stack([vector(row.text) for row in rows])


def train(fin: Sequence[Labelled], own: Sequence[Labelled]) -> LogisticRegression:
    """Balanced multinomial logistic regression on the rows that are not held."""
    rows = [row for row in (*fin, *own) if not row.held and row.language == "en"]
    mine = {row.text for row in own}
    model = LogisticRegression(C=STRENGTH, max_iter=2000, class_weight="balanced", random_state=SEED)
    return model.fit(
        vectors(rows),
        [row.label for row in rows],
        sample_weight=[OWN_WEIGHT if row.text in mine else 1.0 for row in rows],
    )


def temperature(fin: Sequence[Labelled], own: Sequence[Labelled]) -> float:
    """What the logits must be divided by to be honest about own posts, by five-fold cross-validation.

    Guo et al., On Calibration of Modern Neural Networks (2017), section 4.2. Held rows take no part.
    """
    rows = [row for row in own if not row.held and row.language == "en"]
    logits, labels = [], []
    for fold in range(FOLDS):
        unseen = rows[fold::FOLDS]
        model = train(fin, [row for row in rows if row not in unseen])
        logits.append(model.decision_function(vectors(unseen)))
        labels += [CLASSES.index(row.label) for row in unseen]
    scores = np.vstack(logits)
    return min((step / 20 for step in range(10, 101)), key=lambda by: _surprise(scores / by, labels))


def _surprise(logits: np.ndarray[Any, Any], labels: Sequence[int]) -> float:
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return float(-logs[np.arange(len(labels)), labels].mean())


def to_onnx(model: LogisticRegression, by: float, target: Path) -> None:
    """`vector` (N, 384) → `probabilities` (N, 3): bearish, neutral, bullish. Logits are divided by `by`."""
    if tuple(model.classes_) != CLASSES:
        raise ValueError(f"classes are {model.classes_}, not {CLASSES}")
    weight = numpy_helper.from_array((model.coef_.T / by).astype(np.float32), "weight")
    bias = numpy_helper.from_array((model.intercept_ / by).astype(np.float32), "bias")
    nodes = [
        helper.make_node("MatMul", ["vector", "weight"], ["scores"]),
        helper.make_node("Add", ["scores", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "direction",
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["batch", weight.dims[0]])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", len(CLASSES)])],
        [weight, bias],
    )
    built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(built)
    target.write_bytes(built.SerializeToString())


def measure(head: Head, rows: Sequence[Labelled]) -> dict[str, float]:
    """Accuracy and macro-F1 over `rows`."""
    said = [CLASSES[at] for at in head.probabilities(vectors(rows)).argmax(axis=1)]
    true = [row.label for row in rows]
    return {
        "rows": len(rows),
        "accuracy": round(float(accuracy_score(true, said)), 4),
        "macro_f1": round(float(f1_score(true, said, average="macro")), 4),
    }


def report(head: Head, fin: Sequence[Labelled], own: Sequence[Labelled]) -> dict[str, Any]:
    """What the shipped head reaches on rows it never saw."""
    return {
        "twitter_fin held": measure(head, [row for row in fin if row.held]),
        "own held (English)": measure(head, [row for row in own if row.held and row.language == "en"]),
        "crypto_posts (all)": measure(head, data.crypto_posts()),
    }


def main() -> None:
    fin, own = data.twitter_fin(), data.own()
    target = WEIGHTS / "direction.onnx"
    by = temperature(fin, own)
    to_onnx(train(fin, own), by, target)
    sys.stdout.write(json.dumps({"temperature": by, **report(Head(target), fin, own)}, indent=2) + "\n")


if __name__ == "__main__":
    main()
