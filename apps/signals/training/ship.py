"""Makes the shipped models: `ngrams.npz`, `topics.npz`, `minilm.int8.onnx` and its `tokenizer.json`.

Run: `python -m apps.signals.training.ship` with requirements/train.txt installed and TRADEBOT_SHARED_DATA set.
Those of direction are two experts and a gate: one expert learned from crypto posts, one from finance news, and the gate
tells the two kinds of text apart. Linear models that are trained on both spoil each other (see docs/models.md).
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from scipy.sparse import csr_matrix, vstack

from apps.signals.adapters.embedder import MODEL, WEIGHTS
from apps.signals.adapters.hashing import softmax
from apps.signals.adapters.ngrams import Table, mixed, save
from apps.signals.adapters.topics import Topics
from apps.signals.adapters.topics import save as save_topics
from apps.signals.domain import rules
from apps.signals.domain.beliefs import SETS
from apps.signals.domain.coins import catalogue
from apps.signals.training import data, linear
from apps.signals.training.linear import BITS, Floats, Labels, Linear
from apps.signals.training.rows import Row, news, posts

CHECK = 0.1
"""Share of the posts that the judging end does not learn from: it is calibrated on them."""
SEED = 42
Columns = dict[str, dict[str, Floats]]


@dataclass(frozen=True, slots=True)
class Ngrams:
    """The two files of n-grams, what they held of the crypto posts unseen (by kind), and the temperatures found."""

    table: Table
    topics: Topics
    unseen: dict[str, Floats]
    cooled: dict[str, float]


def ngrams(crypto: Sequence[Row], wire: Sequence[Row]) -> Ngrams:
    """Both models over one count of the texts."""
    first, second = linear.counted([row.text for row in crypto]), linear.counted([row.text for row in wire])
    rare = linear.rarity(vstack([first, second]))
    seen, told = linear.weighed(first, rare), linear.weighed(second, rare)
    direction, direction_unseen, cooled = _experts(seen, told, crypto, wire)
    topics, topic_unseen, also = _topics(seen, rare, crypto)
    table = Table(
        BITS, rare.astype(np.float32), direction.weights.astype(np.float32), direction.bias.astype(np.float32)
    )
    return Ngrams(table, topics, {"direction": direction_unseen, **topic_unseen}, {**cooled, **also})


def _topics(
    features: csr_matrix, rare: Floats, rows: Sequence[Row]
) -> tuple[Topics, dict[str, Floats], dict[str, float]]:
    """Mood and event of the posts that have the labels; unseen chances are NaN for the others."""
    models, unseen, cooled = {}, {}, {}
    for kind in ("mood", "event"):
        known = np.array([getattr(row, kind) is not None for row in rows])
        names = SETS[kind]
        right = np.array([names.index(getattr(row, kind)) for row in rows if getattr(row, kind) is not None])
        models[kind], cooled[kind], scores = linear.fitted(linear.svm, features[known], right)
        unseen[kind] = np.full((len(rows), len(names)), np.nan)
        unseen[kind][known] = _softmax(scores)
    topics = Topics(
        bits=BITS,
        moods=tuple(SETS["mood"]),
        events=tuple(SETS["event"]),
        rarity=rare.astype(np.float32),
        weights=np.hstack([models["mood"].weights, models["event"].weights]).astype(np.float32),
        bias=np.concatenate([models["mood"].bias, models["event"].bias]).astype(np.float32),
    )
    return topics, unseen, cooled


def _experts(
    crypto: csr_matrix, wire: csr_matrix, posts: Sequence[Row], tweets: Sequence[Row]
) -> tuple[Linear, Floats, dict[str, float]]:
    """Seven columns: three classes by the crypto expert, three by the news expert, the gate's log-odds of news; and the
    chances of the crypto posts unseen."""
    first, first_by, one = linear.fitted(linear.svm, crypto, _labels(posts))
    second, second_by, _ = linear.fitted(linear.svm, wire, _labels(tweets))
    kinds = np.array([0] * crypto.shape[0] + [1] * wire.shape[0])
    gate, gate_by, open_ = linear.fitted(linear.svm, vstack([crypto, wire]).tocsr(), kinds)
    odds = Linear(gate.weights[:, 1:] - gate.weights[:, :1], gate.bias[1:] - gate.bias[:1])
    joined = Linear(
        np.hstack([first.weights, second.weights, odds.weights]), np.concatenate([first.bias, second.bias, odds.bias])
    )
    whole = np.hstack([one, second.scores(crypto), (open_[:, 1:] - open_[:, :1])[: len(posts)]])
    return (
        joined,
        mixed(whole.astype(np.float32)).astype(float),
        {"crypto": first_by, "news": second_by, "gate": gate_by},
    )


def _labels(rows: Sequence[Row]) -> Labels:
    return np.array([row.direction for row in rows])


def _softmax(scores: Floats) -> Floats:
    return softmax(scores.astype(np.float32)).astype(float)


def minilm(
    crypto: Sequence[Row], wire: Sequence[Row], away: NDArray[np.bool_], bars: Progress
) -> tuple[Floats, dict[str, float]]:
    """Write the encoder, trained without the rows `away`; returns its chances of these, and the temperatures found on
    them, with the mean cosine (`vector`) between what their vectors were and are."""
    import torch

    from apps.signals.training import branch, tuning
    from apps.signals.training.export import packaged_model

    shutil.copyfile(packaged_model() / "tokenizer.json", WEIGHTS / "tokenizer.json")
    coins = [Row(coin.description) for coin in catalogue().coins.values()]
    rows = [*crypto, *wire, *coins]
    kept = np.concatenate([away, np.random.default_rng(SEED).random(len(wire)) < CHECK, np.zeros(len(coins), bool)])
    checked = [rows[at] for at in np.flatnonzero(kept)]
    seen = [rows[at] for at in np.flatnonzero(~kept)]
    lower = tuning.Lower(branch.PLAN)
    with _bar(bars, "reading", len(rows)) as told:
        states = lower.states([row.text for row in rows], told)
    with _bar(bars, "fine-tuning", branch.steps(seen, branch.PLAN)) as told:
        upper = branch.train(lower, [states[at] for at in np.flatnonzero(~kept)], seen, told, branch.PLAN)
    unseen = [states[at] for at in np.flatnonzero(kept)]
    logits = tuning.logits(upper, unseen)
    by = branch.temperatures(logits, checked)
    branch.export(lower, branch.cooled(upper, by), WEIGHTS / MODEL)
    scale = np.concatenate([np.full(where.stop - where.start, by[name]) for name, where in branch.places().items()])
    found = branch.chances(torch.tensor(logits / scale.astype(np.float32))).numpy().astype(float)
    return found[: int(away.sum())], {**by, "vector": tuning.kept(lower, upper, unseen)}


@contextmanager
def _bar(bars: Progress, step: str, total: int) -> Iterator[Any]:
    task = bars.add_task(step, total=total)
    yield lambda more: bars.advance(task, more)


def by_rules(texts: Sequence[str]) -> dict[str, Floats]:
    """What the rules hold of texts, by kind."""
    read = [rules.read(text).beliefs for text in texts]
    return {
        kind: np.array([[getattr(each, kind)[name] for name in names] for each in read]) for kind, names in SETS.items()
    }


def columns(rows: Sequence[Row], seen: dict[str, Floats], judged: Floats, readable: NDArray[np.bool_]) -> Columns:
    """All chances of the checked posts, by kind and analyzer; `judged`: those of MiniLM, where it can read."""
    told, start, found = by_rules([row.text for row in rows]), 0, {}
    for kind, names in SETS.items():
        mine = np.full((len(rows), len(names)), np.nan)
        mine[readable] = judged[:, start : start + len(names)]
        start += len(names)
        found[kind] = {"rules": told[kind], "minilm": mine, "ngrams": seen[kind]}
    return found


def main() -> None:
    """Write the files and print what was learned from, with the weights that the votes deserve."""
    folder = data.shared()
    if folder is None:
        sys.exit("set TRADEBOT_SHARED_DATA to the folder that holds labelled/twitter_fin")
    crypto, wire = posts(), news(folder)
    readable = np.array([row.readable for row in crypto])
    away = np.random.default_rng(SEED).random(len(crypto)) < CHECK
    away &= np.array([row.unseen_by_rules for row in crypto])
    with _bars() as bars:
        with _bar(bars, "n-grams", 1) as told:
            made = ngrams(crypto, wire)
            save(made.table, WEIGHTS / "ngrams.npz")
            save_topics(made.topics, WEIGHTS / "topics.npz")
            told(1)
        judged, cooled = minilm([row for row in crypto if row.readable], wire, away[readable], bars)
    checked = [crypto[at] for at in np.flatnonzero(away)]
    seen = {kind: chances[away] for kind, chances in made.unseen.items()}
    held = columns(checked, seen, judged, readable[away])
    _report(crypto, wire, {"ngrams": made.cooled, "minilm": cooled}, held, checked)


def _report(
    crypto: Sequence[Row],
    wire: Sequence[Row],
    cooled: dict[str, dict[str, float]],
    held: Columns,
    checked: Sequence[Row],
) -> None:
    from apps.signals.training.pooling import pools

    told = {
        "posts": len(crypto),
        "news": len(wire),
        "temperatures": {name: {key: round(by, 3) for key, by in each.items()} for name, each in cooled.items()},
        "pools": {kind: asdict(pool) for kind, pool in pools(held, checked).items()},
        "checked": len(checked),
    }
    sys.stdout.write(json.dumps(told) + "\n")


def _bars() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


if __name__ == "__main__":
    main()
