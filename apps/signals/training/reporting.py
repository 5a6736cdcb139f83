"""Evaluations as tables: on the terminal, and as Markdown for docs/accuracy.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from apps.signals.training.drawing import diagram
from apps.signals.training.evaluation import ENSEMBLE, Evaluation
from apps.signals.training.goals import GOALS, OWN
from apps.signals.training.metrics import Figures

MARKER = "<!-- What stands below is written by hand; `make evaluate` keeps it. -->"
DIAGRAM = "reliability.svg"
HEADINGS = ("accuracy", "macro-F1", "ECE")


def show(found: Sequence[Evaluation], console: Console) -> None:
    """One table a set of posts."""
    for each in found:
        table = Table("", *HEADINGS, "confusion (rows: true)", title=f"{each.name}: {each.rows} posts")
        for name, figures in _parts(each):
            confusion = str(figures.confusion) if len(figures.labels) <= 4 else ""
            table.add_row(name, *_row(figures), confusion)
        if each.coins:
            table.add_row("coins", percent(each.coins.exact), f"{percent(each.coins.micro_f1)} (micro)", "", "")
        console.print(table)
        console.print(f"texts/s: {_speed(each)}", markup=False)


def write(found: Sequence[Evaluation], path: Path) -> None:
    """Replace the measured part of a report; what stands below its marker is kept. How well the ensemble knows how sure
    it may be is drawn beside it, as reliability.svg."""
    _, _, below = path.read_text(encoding="utf-8").partition(MARKER) if path.is_file() else ("", "", "")
    path.with_name(DIAGRAM).write_text(diagram(found[0].direction[ENSEMBLE].bins), encoding="utf-8")
    path.write_text(f"{markdown(found)}\n{MARKER}\n\n{below.strip()}".rstrip() + "\n", encoding="utf-8")


def markdown(found: Sequence[Evaluation]) -> str:
    """The measured part of docs/accuracy.md."""
    absent = "" if len(found) > len(OWN) else " The outside sets were not there: set TRADEBOT_SHARED_DATA."
    lines = [
        "# Accuracy",
        "",
        "Written by `make evaluate` on rows that no shipped weights were trained on. All figures in percent; macro-F1 "
        f"counts each class alike, ECE is the calibration error over ten bins.{absent}",
        "",
        *table(found),
        "",
        f"How often the ensemble was right on the {found[0].rows} posts of {found[0].name}, by how sure it was:",
        "",
        f"![reliability]({DIAGRAM})",
        "",
        *(line for each in found for line in _section(each)),
    ]
    return "\n".join(lines)


def table(found: Sequence[Evaluation]) -> Iterator[str]:
    """The goals of the shipped weights beside what was measured."""
    yield "| data | figure | goal | measured | met |"
    yield "|---|---|---|---|---|"
    for goal in GOALS:
        evaluation = next((each for each in found if each.name == goal.data), None)
        if evaluation is None:
            yield f"| {goal.data} | {goal.figure} | {goal} | not measured | |"
            continue
        share = goal.measured(evaluation)
        yield f"| {goal.data} | {goal.figure} | {goal} | {percent(share)} | {'yes' if goal.met(share) else 'no'} |"


def percent(share: float | None) -> str:
    """One decimal, without a sign; empty for none."""
    return "" if share is None else f"{share * 100:.1f}"


def _section(each: Evaluation) -> Iterator[str]:
    yield f"### {each.name}: {each.rows} posts"
    yield ""
    yield f"| what | {' | '.join(HEADINGS)} |"
    yield "|---|---|---|---|"
    for name, figures in _parts(each):
        yield f"| {name} | {' | '.join(_row(figures))} |"
    if each.coins:
        yield f"| coins (whole set right; micro-F1) | {percent(each.coins.exact)} | {percent(each.coins.micro_f1)} | |"
    yield f"\nTexts/s: {_speed(each)}.\n"
    yield from confusion_lines(each.direction[ENSEMBLE], "direction")
    for name, told in (("event", each.event), ("mood", each.mood)):
        if told:
            yield from confusion_lines(told, name)


def confusion_lines(figures: Figures, name: str) -> Iterator[str]:
    """Rows are the true classes, columns what was said, with precision, recall and F1 of each."""
    yield f"| {name}, true \\ said | {' | '.join(figures.labels)} | P | R | F1 |"
    yield "|---" * (len(figures.labels) + 4) + "|"
    for label, row in zip(figures.labels, figures.confusion, strict=True):
        one = figures.classes[label]
        shares = " | ".join(percent(share) for share in (one.precision, one.recall, one.f1))
        yield f"| {label} | {' | '.join(map(str, row))} | {shares} |"
    yield ""


def _parts(each: Evaluation) -> Iterator[tuple[str, Figures]]:
    for name, figures in each.direction.items():
        yield f"direction, {name}", figures
    if each.event:
        yield "event", each.event
    if each.mood:
        yield "mood", each.mood


def _row(figures: Figures) -> tuple[str, str, str]:
    return percent(figures.accuracy), percent(figures.macro_f1), percent(figures.ece)


def _speed(each: Evaluation) -> str:
    return ", ".join(f"{part} {rate:g}" for part, rate in each.speed.items())
