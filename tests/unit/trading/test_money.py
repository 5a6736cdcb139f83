"""Money is Decimal: no float is written or made anywhere in trading or exchanges; numbers are exact and plain."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.trading.domain.numbers import plain, read, round_down, round_up

ROOT = Path(__file__).resolve().parents[3]
ROOMS = [ROOT / "apps" / "trading", ROOT / "apps" / "exchanges"]
SOURCES = sorted(path for room in ROOMS for path in room.rglob("*.py") if "migrations" not in path.parts)

SECONDS = {
    "apps/trading/selectors.py": {"acknowledged_ms"},
    "apps/exchanges/selectors.py": {"CACHE_SECONDS", "_markets", "markets", "_names", "Lately.rise", "_lately"},
    "apps/trading/receipts.py": {"_corners"},
    "apps/exchanges/adapters/shared.py": {
        *("MARKETS_SECONDS", "Shared.__init__", "Prices.__init__", "Prices.get", "Prices._from_others"),
    },
    "apps/exchanges/adapters/ccxt_venue.py": {"CcxtVenue.ticker", "CcxtVenue.depth"},
    "apps/trading/services/decide.py": {"PRICE_SECONDS"},
    "apps/trading/services/purse.py": {"SECONDS", "Seen.at", "Purse.__init__"},
    "apps/exchanges/paper/controls.py": {"_chance"},
    "apps/exchanges/paper/faults.py": {"Rule.chance"},
    "apps/exchanges/paper/okx/sockets.py": {"_HEARTBEAT_S"},
    "apps/exchanges/paper/binance/sockets.py": {"_HEARTBEAT_S", "_EVERY_S"},
    "apps/exchanges/paper/server.py": {"_SHUTDOWN_S"},
    "apps/exchanges/paper/candles.py": {"Move.at", "play", "_moves", "_rows", "_seconds"},
    "apps/exchanges/paper/__main__.py": {"parser"},
}
"""Where a float is a moment, a span of time or a chance, by the name it stands in. Prices and amounts never are."""


def _floats(tree: ast.Module) -> Iterator[str]:
    """The names under which a float is written as a number, made by float(), or named as a type."""
    for place, part in _parts(tree):
        for node in ast.walk(part):
            named = isinstance(node, ast.Name) and node.id == "float"
            if named or (isinstance(node, ast.Constant) and isinstance(node.value, float)):
                yield place


def _parts(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    """Every statement of the module with its name; of a class each of its own, as `Class.name`."""
    for statement in tree.body:
        if isinstance(statement, ast.ClassDef):
            yield from ((f"{statement.name}.{_name(inner)}", inner) for inner in statement.body)
        else:
            yield _name(statement), statement


def _name(statement: ast.stmt) -> str:
    target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", statement)
    return getattr(target, "name", getattr(target, "id", "?"))


def test_the_walk_finds_what_it_looks_for() -> None:
    source = (
        "fee = 0.1\nx = float('1')\ndef f(y: float): ...\nz: float\nfine = 1\nclass C:\n  a: float\n  def m(self): 1.5"
    )
    assert list(_floats(ast.parse(source))) == ["fee", "x", "f", "z", "C.a", "C.m"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_money_is_a_float(path: Path) -> None:
    found = set(_floats(ast.parse(path.read_text())))
    assert found <= SECONDS.get(str(path.relative_to(ROOT)), set())


@given(st.decimals(0, 10**12, places=8), st.sampled_from(["0.01", "5", "0.00000001", "0.25"]))
def test_rounding_stays_within_one_step(amount: Decimal, step: str) -> None:
    size = Decimal(step)
    down, up = round_down(amount, size), round_up(amount, size)
    assert down <= amount <= up
    assert amount - down < size
    assert up - amount < size
    assert down % size == up % size == 0


@given(st.decimals(-(10**20), 10**20, places=18))
def test_a_number_written_is_the_number_read(number: Decimal) -> None:
    text = plain(number)
    assert text is not None
    assert "E" not in text
    assert read(text) == number


@pytest.mark.parametrize("text", ["NaN", "Infinity", "", "one", "1,5"])
def test_text_that_is_no_number_reads_as_none(text: str) -> None:
    assert read(text) is None
