"""Makes the shipped models: `ngrams.npz`, `topics.npz`, `minilm.int8.onnx`, `e5.onnx` and `e5.q4.npz`, with tokenizers.

Run: `python -m apps.signals.training.ship` with requirements/train.txt installed and TRADEBOT_SHARED_DATA set.
Those of direction are two experts and a gate: one expert learned from crypto posts, one from finance news, and the gate
tells the two kinds of text apart. Linear models that are trained on both spoil each other (see docs/models.md).
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from scipy.sparse import csr_matrix, vstack
from tokenizers import Tokenizer, normalizers

from apps.signals.adapters import e5 as e5_files
from apps.signals.adapters.embedder import MODEL, TOKENIZER, WEIGHTS
from apps.signals.adapters.hashing import softmax
from apps.signals.adapters.ngrams import Table, mixed, save
from apps.signals.adapters.topics import Topics
from apps.signals.adapters.topics import save as save_topics
from apps.signals.domain import rules
from apps.signals.domain.beliefs import PLACES, SETS, WIDTH
from apps.signals.domain.coins import catalogue
from apps.signals.domain.scripts import chinese, latin
from apps.signals.training import data, linear
from apps.signals.training.linear import BITS, Floats, Labels, Linear
from apps.signals.training.rows import Row, news, posts

CHECK = 0.1
"""Share of the posts that the judging end does not learn from: it is calibrated on them."""
SEED = 42
OFTEN = 2
"""In how many posts a piece of a word must occur to be shipped."""
Columns = dict[str, dict[str, Floats]]
Flags = NDArray[np.bool_]


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
    topics, topic_unseen, also = _topics(seen, crypto)
    table = Table(
        BITS, rare.astype(np.float32), direction.weights.astype(np.float32), direction.bias.astype(np.float32)
    )
    return Ngrams(table, topics, {"direction": direction_unseen, **topic_unseen}, {**cooled, **also})


def _topics(features: csr_matrix, rows: Sequence[Row]) -> tuple[Topics, dict[str, Floats], dict[str, float]]:
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


def minilm(crypto: Sequence[Row], wire: Sequence[Row], away: Flags, bars: Progress) -> tuple[Floats, dict[str, float]]:
    """Write the encoder, trained without the rows `away`; returns its chances of these, and the temperatures found on
    them, with the mean cosine (`vector`) between what their vectors were and are."""
    from apps.signals.training import branch, tuning
    from apps.signals.training.export import packaged_model

    _pack(_unlinked(packaged_model() / "tokenizer.json"), WEIGHTS / TOKENIZER)
    coins = [Row(coin.description) for coin in catalogue().coins.values()]
    lower = tuning.Lower(branch.MINILM)
    kept = np.concatenate([_away(away, wire), np.zeros(len(coins), bool)])
    made = _trained(lower, [*crypto, *wire, *coins], kept, branch.MINILM, bars)
    branch.export(lower, made.upper, WEIGHTS / MODEL, [row.text for row in crypto])
    return made.chances[: int(away.sum())], {**made.by, "vector": tuning.kept(lower, made.upper, made.unseen)}


def _unlinked(file: Path) -> bytes:
    """The tokenizer of a file, changed so that it skips addresses."""
    from apps.signals.training import multilingual

    splitter = Tokenizer.from_file(str(file))
    splitter.normalizer = normalizers.Sequence([multilingual.blanked(), splitter.normalizer])
    found: str = splitter.to_str()
    return found.encode()


def e5(crypto: Sequence[Row], wire: Sequence[Row], away: Flags, bars: Progress) -> tuple[Floats, dict[str, float]]:
    """Write the second encoder and its tokenizer; as `minilm`."""
    from apps.signals.training import branch, multilingual, tuning

    whole = multilingual.packed()
    rows = [*crypto, *wire]
    texts = [row.text for row in rows]
    splitter, known = multilingual.cut(texts, whole)
    start = tuning.Start(multilingual.encoder(whole, known, branch.LAYERS), splitter)
    made = _trained(tuning.Lower(branch.E5, start), rows, _away(away, wire), branch.E5, bars)
    # Words that came once taught it little: they need not travel along.
    splitter, known = multilingual.cut(texts[: len(crypto)], whole, OFTEN, multilingual.likely_chinese)
    _pack(splitter.to_str().encode(), WEIGHTS / e5_files.TOKENIZER)
    start = tuning.Start(multilingual.encoder(whole, known, branch.LAYERS), splitter)
    lower = tuning.Lower(branch.E5, start)
    branch.export_judge(lower, made.upper, WEIGHTS / e5_files.MODEL, WEIGHTS / e5_files.PACKED, texts)
    return made.chances[: int(away.sum())], made.by


def _pack(content: bytes, file: Path) -> None:
    file.write_bytes(gzip.compress(content, mtime=0))


def _away(crypto: Flags, wire: Sequence[Row]) -> Flags:
    """Those of the posts, and as many of the news."""
    return np.concatenate([crypto, np.random.default_rng(SEED).random(len(wire)) < CHECK])


@dataclass(frozen=True, slots=True)
class _Made:
    """An encoder's upper part, cooled by the temperatures `by`, with the states and the chances of what it was checked
    on."""

    upper: Any
    by: dict[str, float]
    unseen: list[Any]
    chances: Floats


def _trained(lower: Any, rows: Sequence[Row], away: Flags, plan: Any, bars: Progress) -> _Made:
    """Train on the rows that are not `away` and calibrate on those that are."""
    import torch

    from apps.signals.training import branch, tuning

    seen = _rows(rows, ~away)
    with _bar(bars, "reading", len(rows)) as told:
        states = lower.states([row.text for row in rows], told)
    with _bar(bars, "fine-tuning", branch.steps(seen, plan)) as told:
        upper = branch.train(lower, [states[at] for at in np.flatnonzero(~away)], seen, told, plan)
    unseen = [states[at] for at in np.flatnonzero(away)]
    by = branch.temperatures(tuning.logits(upper, unseen), _rows(rows, away))
    cool = branch.cooled(upper, by)
    chances = branch.chances(torch.tensor(tuning.logits(cool, unseen))).numpy().astype(float)
    return _Made(cool, by, unseen, chances)


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


def columns(rows: Sequence[Row], seen: dict[str, Floats], judged: Floats) -> Columns:
    """All chances of the checked posts, by kind and analyzer; `judged`: those of the encoders, NaN where neither can
    read."""
    told = by_rules([row.text for row in rows])
    found = {}
    for kind, where in PLACES.items():
        found[kind] = {"rules": told[kind], "minilm": judged[:, where], "ngrams": seen[kind]}
    return found


def shares(one: Floats, other: Floats, rows: Sequence[Row]) -> dict[str, tuple[float, float]]:
    """The exponents of MiniLM's and of e5's chances that fit the posts where MiniLM is in doubt: see adapters/e5.py."""
    from apps.signals.training.pooling import pools

    parts = PLACES.items()
    found = pools({kind: {"minilm": one[:, where], "ngrams": other[:, where]} for kind, where in parts}, rows)
    return {kind: _exponents(pool.weights["minilm"], pool.sharpness) for kind, pool in found.items()}


def _exponents(weight: float, sharpness: float) -> tuple[float, float]:
    return round(sharpness * weight / (weight + 1), 2), round(sharpness / (weight + 1), 2)


def judged(minilm: Floats, e5: Floats, rows: Sequence[Row]) -> tuple[Floats, dict[str, tuple[float, float]]]:
    """What both encoders hold of the checked posts, joined as in `adapters.e5.second_look`, and the shares it takes.
    NaN in a row of `minilm`: it can't read the text."""
    known = ~np.isnan(minilm[:, 0])
    about = [bool(catalogue().symbols(row.text)) for row in rows]
    doubtful = known & np.array([e5_files.doubtful(row, on) for row, on in zip(minilm, about, strict=True)])
    by = shares(minilm[doubtful], e5[doubtful], _rows(rows, doubtful))
    found = minilm.copy()
    alone = np.array([chinese(row.text) for row in rows])
    found[alone] = e5[alone]
    found[doubtful] = e5_files.together(minilm[doubtful].astype(np.float32), e5[doubtful].astype(np.float32), by)
    return found, by


def main() -> None:
    """Write the files and print what was learned from, with the weights that the votes deserve."""
    folder = data.shared()
    if folder is None:
        sys.exit("set TRADEBOT_SHARED_DATA to the folder that holds labelled/twitter_fin")
    crypto, wire = posts(), news(folder)
    readable = np.array([latin(row.text) for row in crypto])
    away = np.random.default_rng(SEED).random(len(crypto)) < CHECK
    away &= np.array([row.unseen_by_rules for row in crypto])
    checked = _rows(crypto, away)
    with _bars() as bars:
        with _bar(bars, "n-grams", 1) as told:
            made = ngrams(crypto, wire)
            save(made.table, WEIGHTS / "ngrams.npz")
            save_topics(made.topics, WEIGHTS / "topics.npz")
            told(1)
        by_e5, second = e5(crypto, wire, away, bars)
        by_minilm = np.full((len(checked), WIDTH), np.nan)
        by_minilm[readable[away]], first = minilm(_rows(crypto, readable), wire, away[readable], bars)
    both, joined = judged(by_minilm, by_e5, checked)
    seen = {kind: chances[away] for kind, chances in made.unseen.items()}
    held = columns(checked, seen, both)
    found = {
        "posts": len(crypto),
        "news": len(wire),
        "checked": len(checked),
        "temperatures": {
            name: {key: round(by, 3) for key, by in each.items()}
            for name, each in {"ngrams": made.cooled, "minilm": first, "e5": second}.items()
        },
        "shares": joined,
        "pools": _pools(held, checked),
    }
    sys.stdout.write(json.dumps(found) + "\n")


def _pools(held: Columns, checked: Sequence[Row]) -> dict[str, Any]:
    """By script, and for all."""
    from apps.signals.training.pooling import pools

    han = np.array([chinese(row.text) for row in checked])
    parts = {"all": np.ones(len(checked), bool), "chinese": han, "others": ~han}
    return {
        part: {kind: asdict(pool) for kind, pool in pools(_only(held, which), _rows(checked, which)).items()}
        for part, which in parts.items()
    }


def _only(held: Columns, which: Flags) -> Columns:
    return {kind: {name: chances[which] for name, chances in each.items()} for kind, each in held.items()}


def _rows(rows: Sequence[Row], which: Flags) -> list[Row]:
    return [row for row, chosen in zip(rows, which, strict=True) if chosen]


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
