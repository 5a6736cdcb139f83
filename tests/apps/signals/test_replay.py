"""Posts and prices of the past, judged as they would be judged now."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.signals.models_accuracy import AccuracyScore
from tests.bench import elon

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("coins")]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def told(*arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command("accuracy", *arguments, "--json", stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """DOGE rises by a tenth of a percent each minute for ten hours; two posts about it, one about nothing."""
    (tmp_path / "prices").mkdir()
    rows = (
        f"{(NOON + timedelta(minutes=minute)).isoformat()},{','.join([str(1 + minute / 1000)] * 4)}"
        for minute in range(-300, 300)
    )
    lines = ["time,open,high,low,close", *rows]
    (tmp_path / "prices" / "DOGE_USDT.csv").write_text("\n".join(lines))
    (tmp_path / "posts.csv").write_text(
        "time,text,coin\n"
        '2026-03-01T12:00:00,"$DOGE to the moon, buying more now",\n'
        "2026-03-01T12:00:00,sell all of it now,DOGE\n"
        "2026-03-01T12:00:00,a lovely day,\n"
    )
    return tmp_path


def test_a_replay_marks_each_post_by_its_coin(files: Path) -> None:
    found = told("--posts", str(files / "posts.csv"), "--prices", str(files / "prices"))
    assert (found["posts"], found["neutral"], found["unpriced"]) == (3, 1, 1)
    (hour,) = [each for each in found["scores"] if (each["kind"], each["after"]) == ("all", "1h")]
    assert (hour["calls"], hour["hits"], hour["momentum"], hour["up"]) == (2, 1, 1.0, 1.0)
    assert not AccuracyScore.objects.exists()


def test_what_was_marked_is_told_as_a_table() -> None:
    AccuracyScore.objects.create(kind="analyzer", name="rules", horizon=240, calls=80, hits=60, up_hits=40)
    out = StringIO()
    call_command("accuracy", stdout=out)
    assert "analyzer rules" in out.getvalue()
    assert "75%  65% to 83%" in out.getvalue()


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("posts.csv", "when,what\n", "columns time and text"),
        ("posts.csv", "time,text\nyesterday,buy\n", "'yesterday' is no time"),
        ("prices/DOGE_USDT.csv", "time,price\n", "columns time, open"),
        ("prices/DOGE_USDT.csv", "time,open,high,low,close\n2026-03-01,a,b,c,d\n", "line 2: give a time and four"),
    ],
)
def test_a_file_that_is_none_is_refused_by_line(files: Path, name: str, text: str, reason: str) -> None:
    (files / name).write_text(text)
    with pytest.raises(CommandError, match=reason):
        told("--posts", str(files / "posts.csv"), "--prices", str(files / "prices"))


def test_both_files_or_none(files: Path) -> None:
    with pytest.raises(CommandError, match="both"):
        told("--posts", str(files / "posts.csv"))


@pytest.mark.skipif(not elon.DATA.exists(), reason="no shared data: TRADEBOT_SHARED_DATA has no market/elon_doge_1m")
def test_recorded_tweets_and_prices_are_marked_against_the_baseline(tmp_path: Path) -> None:
    posts, prices = elon.convert(tmp_path)
    found = told("--posts", str(posts), "--prices", str(prices))
    assert found["posts"] == 40
    assert found["unpriced"] == 0
    hour = next(each for each in found["scores"] if (each["kind"], each["after"]) == ("all", "1h"))
    assert hour["calls"] + hour["flat"] + found["neutral"] == 40
    assert hour["interval"][0] <= hour["right"] <= hour["interval"][1]
    assert hour["momentum"] is not None
