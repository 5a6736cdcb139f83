"""The documents against the program: examples are what the ports ask for, links lead somewhere, names exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tradebot.contracts import messages
from tradebot.contracts.errors import NotConfigured
from tradebot.contracts.ports import AnalyzerPlugin, CrawlerPlugin
from tradebot.contracts.values import Direction
from workers import topology

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("docker/*.md")])


def example(name: str) -> Any:
    """The class of that name from the guide to plugins."""
    guide = (ROOT / "docs/writing-plugins.md").read_text(encoding="utf-8")
    [code] = [block for block in re.findall(r"```python\n(.*?)```", guide, re.DOTALL) if f"class {name}" in block]
    names: dict[str, Any] = {}
    exec(code, names)
    return names[name]


def test_the_example_crawler_is_one_and_says_what_it_lacks() -> None:
    crawler = example("NoticeCrawler")()
    assert isinstance(crawler, CrawlerPlugin)
    with pytest.raises(NotConfigured, match="url"):
        crawler.init({})


def test_the_example_analyzer_is_one_and_quotes_its_source() -> None:
    analyzer = example("CapsAnalyzer")({})
    assert isinstance(analyzer, AnalyzerPlugin)
    said = analyzer.analyze("BITCOIN is GOING up", [])
    assert said.type is Direction.BULLISH
    assert [each.quote for each in said.evidence] == ["BITCOIN", "GOING"]
    assert analyzer.analyze("calm words", []).type is Direction.NEUTRAL


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for target in links(document):
        assert (document.parent / target).resolve().exists(), target


def links(document: Path) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8")):
        if "://" not in target:
            yield target


def architecture() -> str:
    return (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["CrawlerMessage", "OCRResult", "AnalysisSignal", "TradeCommand"])
def test_the_table_of_messages_names_fields_that_exist(kind: str) -> None:
    [row] = [line for line in architecture().splitlines() if line.startswith(f"| `{kind}`")]
    fields = {field.name for field in msgspec.structs.fields(getattr(messages, kind))}
    inner = {
        field.name
        for each in (messages.Evidence, messages.Condition, messages.TradeCall)
        for field in msgspec.structs.fields(each)
    }
    told = set(re.findall(r"`([a-z_]+)(?:\[\])?`", row.split("|")[2]))
    assert told <= fields | inner
    assert fields - told - {field.name for field in msgspec.structs.fields(messages.Message)} <= {
        "owner_id",
        "source",
        "event",
        "post_id",
        "exchange",
    }


def test_every_queue_and_public_exchange_is_told() -> None:
    text = architecture()
    assert all(f"`{name}`" in text for name in (*topology.QUEUES, *topology.EXCHANGES[:4]))


def test_the_readme_tells_every_stage_in_order() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    stages = re.findall(r"^\| (\w+) \|", readme, re.MULTILINE)
    order = ["crawl", *dict.fromkeys(spec.queue_name for spec in topology.STAGES.values())]
    assert [name for name in stages if name in order] == order


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [int(path.name[:4]) for path in sorted((ROOT / "docs/adr").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))
