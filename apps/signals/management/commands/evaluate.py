"""`manage.py evaluate [DATA.csv]`: what the analyzers reach on labelled posts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console

from apps.signals.adapters.embedder import get_embedder
from apps.signals.adapters.registry import load_analyzers
from apps.signals.adapters.trained import SHARE, Folder
from apps.signals.domain.weights import Weights, parse
from apps.signals.training import data
from apps.signals.training.corpus import corpus
from apps.signals.training.evaluation import Evaluation, evaluate, evaluate_corpus, evaluate_folder
from apps.signals.training.goals import CHINESE, CRYPTO, HELD, NEWS, TRAINED
from apps.signals.training.judging import Bench
from apps.signals.training.reporting import show, write
from tradebot.contracts.errors import InvalidField

FOLDERS = Path("var/models")
"""Where `make trained` writes."""


class Command(BaseCommand):
    help = (
        "Measure the analyzers and the ensemble: accuracy, macro-F1, calibration error (ECE), confusion and texts/s. "
        "DATA.csv has the columns text and label; without it the project's own corpus is measured on its held part "
        "(event, coins and mood too), and the outside sets that TRADEBOT_SHARED_DATA holds. "
        "Example: `manage.py evaluate posts.csv --labels bearish,neutral,bullish --json`. "
        "Exit codes: 0 measured; 1 the file can't be read."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("data", nargs="?", type=Path, metavar="DATA.csv")
        parser.add_argument(
            "--labels", default=",".join(data.SIGNS), help="how bearish, neutral and bullish are written (-1,0,1)"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object")
        parser.add_argument(
            "--report", type=Path, metavar="FILE.md", help="write it there too; what stands below its marker is kept"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = _measured(options["data"], labels(options["labels"]))
        except (InvalidField, ValueError) as error:
            raise CommandError(str(error)) from None
        if options["report"]:
            write(found, options["report"])
        if options["json"]:
            self.stdout.write(json.dumps({"sets": [each.as_json() for each in found]}, ensure_ascii=False))
        else:
            show(found, Console())


def labels(text: str) -> list[str]:
    """Three different words; raises InvalidField for anything else."""
    found = [each.strip() for each in text.split(",")]
    if len(found) != 3 or len(set(found)) != 3 or not all(found):
        raise InvalidField("--labels", "name three different labels, for bearish, neutral and bullish: -1,0,1")
    return found


def _measured(path: Path | None, written: list[str]) -> list[Evaluation]:
    rows = data.read(path, written) if path else []
    if path and not rows:
        raise InvalidField("DATA", f"{path} holds no rows")
    bench = Bench(load_analyzers(), get_embedder(settings.MODEL_THREADS), Weights(parse(settings.ANALYZER_WEIGHTS)))
    return [evaluate(bench, rows, path.name)] if path else _all(bench)


def _all(bench: Bench) -> list[Evaluation]:
    held = [post for post in corpus() if post.held]
    found = evaluate_corpus(bench, held, {HELD: lambda _: True, CHINESE: lambda post: post.lang == "zh"})
    if folder := data.shared():
        news = [row for row in data.twitter_fin(folder) if row.held]
        found += [evaluate(bench, news, NEWS), evaluate(bench, data.crypto_posts(folder), CRYPTO)]
        found += trained(folder)
    return found


def trained(shared: Path) -> list[Evaluation]:
    """What the models that `make trained` left reach on the rows that they did not learn from."""
    sets = {"twitter_fin": data.twitter_fin, "crypto_posts": data.crypto_posts, "finfe_zh": data.finfe_zh}
    return [
        evaluate_folder(Folder(FOLDERS / name), [row for row in rows(shared) if row.held], TRAINED[name])
        for name, rows in sets.items()
        if (FOLDERS / name / SHARE).is_file()
    ]
