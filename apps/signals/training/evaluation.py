"""What the analyzers reach on labelled posts: direction by each and together; of the corpus event, coins and mood."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from apps.signals.adapters.trained import Folder
from apps.signals.training.corpus import EVENTS, CorpusPost, Meant
from apps.signals.training.data import NAMES, Labelled
from apps.signals.training.judging import Bench, Told
from apps.signals.training.metrics import Figures, figures, same_sets, set_f1

ENSEMBLE = "ensemble"
NO_EVENT = "none"
MOODS = tuple(each.value for each in Meant)


@dataclass(frozen=True, slots=True)
class SetFigures:
    """Sets of coins: micro-F1 over all (post, coin) pairs, and the share of posts whose set is right as a whole."""

    rows: int
    micro_f1: float
    exact: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`direction`: by analyzer, the ensemble among them. `speed`: texts/s of each part and of all together."""

    name: str
    rows: int
    direction: dict[str, Figures]
    speed: dict[str, float]
    event: Figures | None = None
    mood: Figures | None = None
    coins: SetFigures | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def evaluate(bench: Bench, rows: Sequence[Labelled], name: str) -> Evaluation:
    """Direction alone; raises ValueError for no rows."""
    before = dict(bench.seconds)
    told = bench.judge([row.text for row in rows])
    return Evaluation(name, len(rows), direction(told, [row.name for row in rows]), speed(bench, before, len(rows)))


def evaluate_folder(folder: Folder, rows: Sequence[Labelled], name: str) -> Evaluation:
    """What a model that `manage.py train` made reaches on rows."""
    begun = time.perf_counter()
    chances = folder.probabilities([row.text for row in rows])
    rate = round(len(rows) / (time.perf_counter() - begun), 1)
    said = [NAMES[at] for at in chances.argmax(axis=1)]
    found = figures(NAMES, [row.name for row in rows], said, chances.max(axis=1).tolist())
    return Evaluation(name, len(rows), {ENSEMBLE: found}, {"all": rate})


def evaluate_corpus(
    bench: Bench, posts: Sequence[CorpusPost], parts: Mapping[str, Callable[[CorpusPost], bool]]
) -> list[Evaluation]:
    """Everything that the corpus knows of its posts, for each named part of them; they are judged once."""
    before = dict(bench.seconds)
    told = bench.judge([post.text for post in posts])
    rates = speed(bench, before, len(posts))
    found = []
    for name, chosen in parts.items():
        pairs = [(each, post) for each, post in zip(told, posts, strict=True) if chosen(post)]
        found.append(of_corpus([each for each, _ in pairs], [post for _, post in pairs], name, rates))
    return found


def of_corpus(
    told: Sequence[Told], posts: Sequence[CorpusPost], name: str, texts_a_second: dict[str, float]
) -> Evaluation:
    """The figures of posts that were judged before."""
    meant = [set(post.coins) for post in posts]
    said = [set(each.coins) for each in told]
    return Evaluation(
        name=name,
        rows=len(posts),
        direction=direction(told, [NAMES[post.direction + 1] for post in posts]),
        speed=texts_a_second,
        event=figures(
            (*EVENTS, NO_EVENT),
            [post.event or NO_EVENT for post in posts],
            [each.judgement.event or NO_EVENT for each in told],
        ),
        mood=figures(MOODS, [post.mood.value for post in posts], [each.judgement.mood or Meant.CLAIM for each in told]),
        coins=SetFigures(len(posts), set_f1(meant, said), same_sets(meant, said)),
    )


def direction(told: Sequence[Told], true: Sequence[str]) -> dict[str, Figures]:
    """By the ensemble and by each analyzer; an abstention counts as neutral."""
    judged = [(each.judgement.direction.value, each.judgement.confidence) for each in told]
    found = {ENSEMBLE: _figures(true, judged)}
    for analyzer in told[0].verdicts:
        answers = [each.verdicts[analyzer] for each in told]
        found[analyzer] = _figures(true, [(each.direction.value, each.confidence) for each in answers])
    return found


def _figures(true: Sequence[str], said: Sequence[tuple[str, float]]) -> Figures:
    return figures(NAMES, true, [name for name, _ in said], [sure for _, sure in said])


def speed(bench: Bench, before: dict[str, float], rows: int) -> dict[str, float]:
    """Texts/s of each part since `before`, and of all parts one after another."""
    taken = {part: seconds - before.get(part, 0.0) for part, seconds in bench.seconds.items()}
    found = {part: round(rows / seconds, 1) for part, seconds in taken.items() if seconds}
    return {**found, "all": round(rows / sum(taken.values()), 1)}
