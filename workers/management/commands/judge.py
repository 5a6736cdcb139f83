"""`manage.py judge "text"`: what a post would mean, and by which words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table
from rich.text import Text

from apps.signals.cluster_services import Story
from apps.signals.domain.verdict import Verdict
from tradebot.contracts.messages import Evidence, TradeCall, to_wire
from workers import inspection
from workers.inspection import Judged


class Command(BaseCommand):
    help = (
        "Judge a text, and pictures with it, as the pipeline would: direction, confidence, event, coins, each "
        "analyzer's verdict, the words that carry it, the story it would tell and how much it looks like "
        "manipulation. Nothing is stored and nothing is traded. "
        "Example: `manage.py judge 'BTC ETF approved' --image screenshot.png --json`. "
        "Exit codes: 0 judged; 1 a picture can't be read."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("text", help="the post; may be empty where a picture says it all")
        parser.add_argument("--image", action="append", type=Path, default=[], metavar="FILE", help="may be repeated")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        pictures = [inspection.read(path) for path in options["image"]]
        if failed := [each for each in pictures if each.error]:
            raise CommandError(f"{failed[0].path} {failed[0].error}")
        judged = inspection.judge(options["text"], pictures)
        if options["json"]:
            self.stdout.write(json.dumps(_written(judged), ensure_ascii=False))
        else:
            _show(judged)


def _written(judged: Judged) -> dict[str, Any]:
    judgement = judged.judgement
    return {
        "type": judgement.direction.value,
        "confidence": judgement.confidence,
        "event": judgement.event,
        "mood": judgement.mood,
        "call": to_wire(judgement.call) if judgement.call else None,
        "coins": list(judged.coins),
        "evidence": [to_wire(each) for each in judgement.evidence],
        "notes": list(judgement.notes),
        "versions": judgement.versions,
        "analyzers": [_verdict(each) for each in judged.verdicts],
        "story": _story(judged.story) if judged.story else None,
        "shadow": judged.story.shadow if judged.story else "",
        "text": judged.text,
    }


def _story(story: Story) -> dict[str, Any]:
    """`cluster_id`: the story that was told before, none if it would be a new one; `confidence` with its support."""
    known = str(story.cluster_id) if story.placed.joined else None
    return {"cluster_id": known, "confidence": story.placed.confidence, **story.facts()}


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "name": verdict.analyzer,
        "version": verdict.version,
        "weight": verdict.weight,
        "type": verdict.direction.value,
        "confidence": verdict.confidence,
        "event": verdict.event,
        "mood": verdict.mood,
        "error": verdict.error,
    }


def _show(judged: Judged) -> None:
    console, judgement = Console(), judged.judgement
    coins = ", ".join(judged.coins) or "no coin"
    told = "".join(f", {word}" for word in (judgement.event, judgement.mood) if word)
    console.print(f"{judgement.direction.value} {judgement.confidence:.2f}: {coins}{told}", style="bold", markup=False)
    for line in (*judgement.notes, *_call(judgement.call), *_told(judged.story)):
        console.print(line, markup=False)
    console.print(_analyzers(judged.verdicts))
    console.print(_evidence(judgement.evidence))


def _call(call: TradeCall | None) -> Iterator[str]:
    if call is not None:
        entry = " to ".join(f"{price:f}" for price in call.entry) or "the market"
        stop = f", stop {call.stop:f}" if call.stop is not None else ""
        targets = "".join(f", target {price:f}" for price in call.targets)
        yield f"trade call: {call.side} at {entry}{stop}{targets}"


def _told(story: Story | None) -> Iterator[str]:
    if story is None:
        return
    if story.placed.joined:
        voices = ", ".join(story.placed.support) or "copies only"
        yield f"tells a known story ({voices}): confidence {story.placed.confidence:.2f} with it"
    signs = "; ".join(story.suspicion.reasons) or "no sign"
    yield f"manipulation {story.suspicion.score:.2f}: {signs}"
    if story.shadow:
        yield f"only a shadow: {story.shadow}"


def _analyzers(verdicts: tuple[Verdict, ...]) -> Table:
    table = Table("analyzer", "version", "weight", "verdict", "confidence")
    for each in verdicts:
        said = Text(each.error or each.direction.value)
        table.add_row(each.analyzer, each.version, f"{each.weight:g}", said, f"{each.confidence:.2f}")
    return table


def _evidence(found: tuple[Evidence, ...]) -> Table:
    table = Table("words", "kind", "weight", "by", "where")
    for each in found:
        where = "picture" if each.box else f"{each.span[0]} to {each.span[1]}" if each.span else ""
        table.add_row(Text(each.quote), each.kind, f"{each.weight:+.2f}", each.model, where)
    return table
