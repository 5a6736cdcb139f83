"""Whether signals were right: what was marked, or how posts and prices of the past would be judged now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.signals import accuracy_selectors as selectors
from apps.signals.accuracy_selectors import Score
from apps.signals.accuracy_settings import current
from apps.signals.domain.accuracy import spoken
from tradebot.contracts.errors import InvalidField
from workers.replay import read_candles, read_posts, replay

KINDS = ("all", "analyzer", "event", "coin", "author")
MOST = 60
"""Lines of each kind, those with the most calls first."""


class Command(BaseCommand):
    help = "How often signals were right, against what prices alone give; with --posts and --prices, of a replay."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--posts", type=Path, help="CSV of past posts: time, text and, if known, coin")
        parser.add_argument("--prices", type=Path, help="folder of one-minute candles, named like DOGE_USDT.csv")
        parser.add_argument("--json", action="store_true", help="as JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        if bool(options["posts"]) != bool(options["prices"]):
            raise CommandError("give both --posts and --prices, or neither")
        try:
            facts, scores = _replayed(options["posts"], options["prices"]) if options["posts"] else _stored()
        except (InvalidField, OSError) as error:
            raise CommandError(str(error)) from None
        if options["json"]:
            self.stdout.write(json.dumps({**facts, "scores": [_told(score) for score in scores]}))
            return
        self.stdout.write(", ".join(f"{name}: {value}" for name, value in facts.items()))
        self.stdout.write(f"{'group':<34}{'after':>6}{'calls':>7}{'right':>7}  {'95 %':<13}{'momentum':>8}{'up':>6}")
        for score in scores:
            self.stdout.write(_line(score))


def _stored() -> tuple[dict[str, Any], list[Score]]:
    given = current()
    facts = {**selectors.progress(), "baseline": round(selectors.baseline(), 4), "decisive": spoken(given.decisive)}
    return facts, [score for kind in KINDS for score in selectors.scores(kind, most=MOST)]


def _replayed(posts: Path, prices: Path) -> tuple[dict[str, Any], list[Score]]:
    given = current()
    done = replay(read_posts(posts), read_candles(prices), given.horizons, given.band)
    return {"posts": done.posts, "neutral": done.neutral, "unpriced": done.unpriced}, list(done.scores)


def _told(score: Score) -> dict[str, Any]:
    tally = score.tally
    return {
        "kind": score.kind,
        "name": score.name,
        "after": spoken(score.horizon),
        "calls": tally.calls,
        "hits": tally.hits,
        "flat": tally.flat,
        "right": tally.rate,
        "interval": tally.interval,
        "momentum": tally.momentum,
        "up": tally.up,
    }


def _line(score: Score) -> str:
    tally = score.tally
    low, high = tally.interval
    group = f"{score.kind} {score.name}".strip()[:33]
    return (
        f"{group:<34}{spoken(score.horizon):>6}{tally.calls:>7}{_percent(tally.rate):>7}  "
        f"{f'{low:.0%} to {high:.0%}':<13}{_percent(tally.momentum):>8}{_percent(tally.up):>6}"
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"
