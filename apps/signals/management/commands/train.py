"""`manage.py train DATA.csv`: a model of an operator's own labels."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from apps.signals.management.commands.evaluate import labels
from apps.signals.training import data
from apps.signals.training.drawing import diagram
from apps.signals.training.reporting import confusion_lines, percent
from tradebot.contracts.errors import InvalidField, NotConfigured

NEEDED = ("sklearn", "scipy")


class Command(BaseCommand):
    help = (
        "Train a model on own labels: DATA.csv has the columns text and label. A fifth of the posts (by the hash of "
        "their text) is kept for the report. The folder then runs as an analyzer: TRAINED_MODEL=FOLDER. Needs "
        "`pip install -r requirements/train.txt`. Example: `manage.py train posts.csv --out var/models/mine`. "
        "Exit codes: 0 trained; 1 the file or the environment is not fit."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("data", type=Path, metavar="DATA.csv")
        parser.add_argument("--out", type=Path, default=Path("var/models/trained"), metavar="FOLDER")
        parser.add_argument("--labels", default=",".join(data.SIGNS), help="bearish, neutral, bullish as written there")
        parser.add_argument("--no-encoder", action="store_true", help="n-grams alone: quick, and needs no PyTorch")
        parser.add_argument("--epochs", type=int, default=4)
        parser.add_argument(
            "--runs", type=int, default=2, help="trainings of an encoder that are averaged; time goes with them (2)"
        )
        parser.add_argument(
            "--frozen", type=int, choices=range(12), help="layers of the encoder that stay as they are (a third)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if missing := [name for name in NEEDED if find_spec(name) is None]:
            raise CommandError(f"{' and '.join(missing)} missing: pip install -r requirements/train.txt")
        if not options["no_encoder"] and find_spec("torch") is None:
            raise CommandError("PyTorch is missing: pip install -r requirements/train.txt, or take --no-encoder")
        for option in ("epochs", "runs"):
            if options[option] < 1:
                raise CommandError(f"--{option}: at least 1")
        try:
            self._train(options)
        except (InvalidField, NotConfigured) as error:
            raise CommandError(str(error)) from None

    def _train(self, options: dict[str, Any]) -> None:
        from apps.signals.training import trainer

        rows = data.read(options["data"], labels(options["labels"]))
        console = Console(stderr=True)
        with _bars(console) as bars:
            steps: dict[str, Any] = {}

            def told(step: str, done: int, total: int) -> None:
                if step not in steps:
                    steps[step] = bars.add_task(step, total=total)
                bars.update(steps[step], completed=done)

            made = trainer.train(rows, options["out"], plan=_plan(options), told=told)
        _report(made)
        figures = made.held
        self.stdout.write(
            f"{made.folder}: {' and '.join(made.parts)}, {made.rows} posts; on {figures.rows} held ones accuracy "
            f"{percent(figures.accuracy)}, macro-F1 {percent(figures.macro_f1)}, ECE {percent(figures.ece)}\n"
            f"report: {made.folder / 'report.md'}\nto run it: TRAINED_MODEL={made.folder.resolve()}"
        )


def _plan(options: dict[str, Any]) -> Any:
    if options["no_encoder"]:
        return None
    from apps.signals.training.tuning import Plan

    return Plan(epochs=options["epochs"], runs=options["runs"], frozen=options["frozen"])


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
    )


def _report(made: Any) -> None:
    figures = made.held
    lines = [
        f"# {made.folder.name}",
        "",
        f"Trained on {made.rows} posts ({' and '.join(made.parts)}). On {figures.rows} posts that were kept back: "
        f"accuracy {percent(figures.accuracy)}, macro-F1 {percent(figures.macro_f1)}, ECE {percent(figures.ece)}.",
        "",
        *confusion_lines(figures, "direction"),
        "![reliability](reliability.svg)",
        "",
    ]
    (made.folder / "report.md").write_text("\n".join(lines), encoding="utf-8")
    (made.folder / "report.json").write_text(json.dumps(asdict(figures), indent=2) + "\n", encoding="utf-8")
    (made.folder / "reliability.svg").write_text(diagram(figures.bins), encoding="utf-8")
