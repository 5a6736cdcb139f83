"""`manage.py read IMAGE…`: what stands in pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tradebot.contracts.messages import to_wire
from workers import inspection
from workers.inspection import Read

UNREADABLE = 3


class Command(BaseCommand):
    help = (
        "Read pictures with the engine that the ocr stage uses (OCR_ENGINE), and print their text, boxes, language, "
        "confidence and engine. Nothing is stored. With --json: one object a line, boxes as four corners in pixels. "
        "Exit codes: 0 all were read; 3 one of them could not be."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="PNG, JPEG, GIF or WebP")
        parser.add_argument("--json", action="store_true", help="one JSON object a picture")

    def handle(self, *args: Any, **options: Any) -> None:
        found = [inspection.read(path) for path in options["images"]]
        show = self._as_json if options["json"] else _as_table
        for each in found:
            show(each)
        if failed := [each for each in found if each.error]:
            raise CommandError(f"{failed[0].path} {failed[0].error}", returncode=UNREADABLE)

    def _as_json(self, found: Read) -> None:
        told = {
            "path": str(found.path),
            "text": found.reading.text,
            "language": found.language,
            "confidence": round(found.reading.confidence, 4),
            "engine": found.reading.engine,
            "boxes": [to_wire(box) for box in found.reading.boxes],
            "error": found.error,
        }
        self.stdout.write(json.dumps(told, ensure_ascii=False))


def _as_table(found: Read) -> None:
    console, reading = Console(), found.reading
    if found.error:
        console.print(f"{found.path}: {found.error}", markup=False)
        return
    table = Table("line", "confidence", "", "from", "to", title=Text(str(found.path)))
    for box in reading.boxes:
        (left, top), (right, bottom) = box.points[0], box.points[2]
        unsure = "unsure" if box.unsure else ""
        corners = (f"{left:.0f}, {top:.0f}", f"{right:.0f}, {bottom:.0f}")
        table.add_row(Text(box.text), f"{box.confidence:.2f}", unsure, *corners)
    console.print(table)
    told = f"{len(reading.boxes)} lines, {found.language}, confidence {reading.confidence:.2f}, by {reading.engine}"
    console.print(told, markup=False)
