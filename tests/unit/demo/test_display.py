"""What the demo shows while it plays: plain lines where there is no terminal, and no line twice."""

from __future__ import annotations

import io
from datetime import UTC, datetime

from tests.unit.demo.test_player import a_beat
from workers.demo.display import Board, as_line, console, gauges, result_table
from workers.demo.story import Row
from workers.ingest import Progress

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


def test_every_stage_has_a_gauge() -> None:
    now = Progress(
        posts=5, duplicates=1, analysed=4, signals=3, commands=2, denied=1, orders=1, filled=1, dead_lettered=7
    )
    line = as_line(now, played=6)
    assert line.startswith("played 6  cleaned 5  duplicates 1")
    assert line.endswith(
        "signals to trade 3  commands 2  denied 1  entries and exits 1  entries and exits filled 1  dead letters 7"
    )
    assert len(gauges(now, 6)) == 10


def test_without_a_terminal_the_board_prints_plain_lines_and_none_twice() -> None:
    out = io.StringIO()
    with Board(console(out, terminal=False), total=1) as board:
        board.post(a_beat("hello [bold]world", 0))
        board.progress(Progress(posts=1))
        board.progress(Progress(posts=1))
    lines = out.getvalue().splitlines()
    assert lines[0] == "> twitter @somebody: hello [bold]world"
    assert [line for line in lines if "cleaned 1" in line] == [f"  {as_line(Progress(posts=1), 1)}"]
    assert "\x1b" not in out.getvalue()


def test_on_a_terminal_the_board_leaves_nothing_behind_but_what_it_drew() -> None:
    out = io.StringIO()
    with Board(console(out, terminal=True), total=1) as board:
        board.post(a_beat("hello", 0))
    assert "hello" in out.getvalue()


def test_the_table_takes_texts_as_they_are() -> None:
    out = io.StringIO()
    shown = console(out, terminal=False)
    shown.print(result_table([Row("[red]post", "bullish", "Mine", "buy", "filled")], NOON))
    assert "[red]post" in out.getvalue()
