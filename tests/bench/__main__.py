"""`make bench [ONLY=part]`: every figure the project promises, with its bound from the same run."""

from __future__ import annotations

import argparse
import importlib

from tests.bench.results import show
from tradebot.embedded.layout import CHECKOUT

PARTS = ("pipeline", "orders", "crawl", "ocr", "models", "coins")


def main() -> None:
    """Run the parts asked for, print the table, write var/bench.json."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("only", nargs="?", choices=PARTS, help="run one part")
    only = parser.parse_args().only
    parts = [part for part in PARTS if only in (None, part)]
    show(
        [row for part in parts for row in importlib.import_module(f"tests.bench.{part}").run()],
        CHECKOUT / "var" / "bench.json",
    )


if __name__ == "__main__":
    main()
