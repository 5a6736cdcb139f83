"""Trains an operator's own model: n-grams, the upper layers of MiniLM (where it can read the texts) and of a
multilingual encoder, and their mix."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

from apps.signals.adapters.hashing import softmax
from apps.signals.adapters.ngrams import Table, save
from apps.signals.adapters.trained import ENCODERS, FORMAT, SHARE, Folder, Mix
from apps.signals.domain.scripts import latin
from apps.signals.training import linear
from apps.signals.training.data import NAMES, Labelled
from apps.signals.training.evaluation import ENSEMBLE, evaluate_folder
from apps.signals.training.linear import BITS, Floats, Labels
from apps.signals.training.metrics import Figures
from tradebot.contracts.errors import InvalidField

if TYPE_CHECKING:
    from apps.signals.training.tuning import Plan, Start

CHECK = 0.1
"""Share of the training rows that the mix is fitted on. Each run of an encoder leaves another part of them away, so
that several runs together have seen all."""
SEEN = -1
"""The part of the rows that no run leaves away."""
FEWEST = 5
"""Rows of each class that training needs at least."""
MOSTLY = 0.5
EVEN = 0.5
"""0 counts each row alike in the mix (accuracy), 1 each class alike (macro-F1)."""
_FILES = [name for files in ENCODERS.values() for name in files]
Progress = Callable[[str, int, int], None]
"""Told a step's name, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class Trained:
    """Where the model lies, and what it reached on rows that it never saw."""

    folder: Path
    rows: int
    held: Figures
    parts: tuple[str, ...]


def train(
    rows: Sequence[Labelled], out: Path, *, plan: Plan | None = None, told: Progress = lambda *_: None
) -> Trained:
    """Train on the rows that are not held and write the folder; `plan` None: n-grams alone (no PyTorch).

    Raises InvalidField where a class has too few rows to train or none to measure.
    """
    seen, held = [row for row in rows if not row.held], [row for row in rows if row.held]
    _enough(seen, held)
    out.mkdir(parents=True, exist_ok=True)
    labels = np.array([row.label for row in seen])
    told("n-grams", 0, 1)
    table, unseen = _ngrams(seen, labels)
    save(table, out / "ngrams.npz")
    told("n-grams", 1, 1)
    parts, checked = {"ngrams": unseen}, np.ones(len(seen), dtype=bool)
    for name in _FILES:
        (out / name).unlink(missing_ok=True)
    if plan is not None:
        chance = np.random.default_rng(plan.seed)
        checked = chance.random(len(seen)) < CHECK
        away = np.where(checked, chance.integers(plan.runs, size=len(seen)), SEEN)
        parts = {"ngrams": unseen[checked]} | _Encoders(seen, away, out, plan, told).judged()
    mix = mixed(parts, labels[checked])
    _write(out, mix, plan.tokens if plan else 0, len(seen))
    return Trained(out, len(seen), evaluate_folder(Folder(out), held, out.name).direction[ENSEMBLE], tuple(parts))


def mixed(parts: dict[str, Floats], labels: Labels) -> Mix:
    """Shares of the parts' log-probabilities, and a lift for each class, that surprise least on unseen rows.

    That is a small multinomial regression (Wolpert, Stacked Generalization, 1992) and calibrates as it goes.
    """
    names, places = list(parts), labels + 1
    logs = np.stack([np.log(np.maximum(parts[name], 1e-6)) for name in names])
    often = np.bincount(places, minlength=3)[places]
    weights = (1.0 / often) ** EVEN
    weights /= weights.sum()

    def surprise(values: Floats) -> float:
        scores = np.tensordot(np.abs(values[: len(names)]), logs, axes=1) + values[len(names) :]
        scores -= scores.max(axis=1, keepdims=True)
        right = scores[np.arange(len(places)), places] - np.log(np.exp(scores).sum(axis=1))
        return float(-(weights * right).sum() + 1e-3 * (values**2).sum())

    best = minimize(surprise, np.array([1.0 / len(names)] * len(names) + [0.0] * 3), method="L-BFGS-B").x
    shares = {name: round(abs(float(best[at])), 4) for at, name in enumerate(names)}
    return Mix(shares, [round(float(each), 4) for each in best[len(names) :]])


def _ngrams(rows: Sequence[Labelled], labels: Labels) -> tuple[Table, Floats]:
    """The model of all rows, and probabilities of each row by one that did not see it."""
    counts = linear.counted([row.text for row in rows])
    rare = linear.rarity(counts)
    features = linear.weighed(counts, rare)
    model, _, unseen = linear.fitted(linear.svm, features, labels)
    table = Table(BITS, rare.astype(np.float32), model.weights.astype(np.float32), model.bias.astype(np.float32))
    return table, softmax(unseen.astype(np.float32)).astype(float)


@dataclass(frozen=True, slots=True)
class _Encoders:
    """Fine-tunes encoders and writes them. `away`: which run of them does not see a row."""

    rows: Sequence[Labelled]
    away: Labels
    out: Path
    plan: Plan
    told: Progress

    def judged(self) -> dict[str, Floats]:
        """What each holds, by its name, of the rows that a run of it did not see. Texts that MiniLM can read are judged
        by both encoders, others by the multilingual one alone."""
        from apps.signals.training import tuning

        if np.mean([latin(row.text) for row in self.rows]) < MOSTLY:
            return {"encoder": self._multilingual("encoder")}
        return {
            "encoder": self._trained("encoder", tuning.minilm(), self.plan, " MiniLM"),
            "second": self._multilingual("second", " e5"),
        }

    def _multilingual(self, name: str, said: str = "") -> Floats:
        """With a tokenizer of its own, which is written."""
        from apps.signals.training import branch, multilingual, tuning

        whole = multilingual.packed()
        tokenizer, kept = multilingual.cut([row.text for row in self.rows], whole)
        tokenizer.save(str(self.out / ENCODERS[name][1]))
        start = tuning.Start(multilingual.encoder(whole, kept, branch.LAYERS), tokenizer)
        return self._trained(name, start, replace(self.plan, rate=branch.E5.rate), said)

    def _trained(self, name: str, start: Start, plan: Plan, said: str) -> Floats:
        from apps.signals.training import tuning

        labels = np.array([row.label + 1 for row in self.rows])
        lower = tuning.Lower(plan, start)
        states = lower.states([row.text for row in self.rows], _counter(f"reading{said}", len(self.rows), self.told))
        told = _counter(f"fine-tuning{said}", plan.epochs * sum(map(len, self._seen(plan.runs))), self.told)
        found, made = np.zeros((len(labels), len(NAMES))), []
        for run, (order, seen) in enumerate(zip(tuning.orders(plan), self._seen(plan.runs), strict=True)):
            task = tuning.Task(0, len(NAMES), labels[seen].tolist(), _weights(labels[seen]))
            made.append(tuning.fit(lower, [states[at] for at in seen], [task], order, told=told))
            rest = np.flatnonzero(self.away == run)
            found[rest] = softmax(tuning.logits(made[-1], [states[at] for at in rest]))
        upper = tuning.averaged(made)
        tuning.export(lower, upper, self.out / ENCODERS[name][0], [row.text for row in self.rows])
        checked: Floats = found[self.away != SEEN]
        return checked

    def _seen(self, runs: int) -> list[Labels]:
        """The rows that each run learns from."""
        return [np.flatnonzero(self.away != run) for run in range(runs)]


def _weights(labels: Labels) -> list[float]:
    """What each row counts, 1 on average."""
    found = (1.0 / np.bincount(labels, minlength=len(NAMES))[labels]) ** EVEN
    weighed: list[float] = (found / found.mean()).tolist()
    return weighed


def _counter(step: str, total: int, told: Progress) -> Callable[[int], None]:
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        told(step, done, total)

    return count


def _write(out: Path, mix: Mix, tokens: int, rows: int) -> None:
    told = {"format": FORMAT, "shares": mix.shares, "lift": mix.lift, "tokens": tokens, "rows": rows}
    files = b"".join((out / name).read_bytes() for name in ("ngrams.npz", *_FILES) if (out / name).is_file())
    made = hashlib.sha256(json.dumps(told).encode() + files).hexdigest()[:12]
    (out / SHARE).write_text(json.dumps({**told, "made": made}, indent=2) + "\n", encoding="utf-8")


def _enough(seen: Sequence[Labelled], held: Sequence[Labelled]) -> None:
    for label, name in enumerate(NAMES, -1):
        count = sum(row.label == label for row in seen)
        if count < FEWEST:
            raise InvalidField("label", f"only {count} posts to learn {name} from; at least {FEWEST} are needed")
    if not held:
        raise InvalidField("DATA", "no post falls into the fifth that is kept for measuring: add more posts")
