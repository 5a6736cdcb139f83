"""`manage.py read` and `manage.py judge`: what the pipeline would make of it, and nothing stored."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from PIL import Image, ImageDraw, ImageFont

from apps.signals.models import Analysis, Signal
from apps.sources.models import Media, Post

pytestmark = pytest.mark.django_db


def told(*arguments: str) -> list[dict[str, Any]]:
    out = StringIO()
    call_command(*arguments, "--json", stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.fixture
def screenshot(tmp_path: Path) -> Path:
    """A picture that says one thing in large letters."""
    image = Image.new("RGB", (900, 160), "white")
    ImageDraw.Draw(image).text((30, 40), "Buy BTC now, target 45000", fill="black", font=ImageFont.load_default(56))
    path = tmp_path / "screenshot.png"
    image.save(path)
    return path


@pytest.mark.usefixtures("coins")
def test_a_post_is_judged_with_the_words_that_carry_it() -> None:
    (judged,) = told("judge", "Buy BTC now, it is going to the moon")
    assert (judged["type"], judged["coins"]) == ("bullish", ["BTC"])
    assert judged["confidence"] > 0.5
    assert judged["evidence"]
    assert all(each["quote"] in judged["text"] for each in judged["evidence"])
    assert {each["name"] for each in judged["analyzers"]} >= {"rules", "minilm"}


@pytest.mark.usefixtures("coins")
def test_a_call_is_shown_with_its_numbers_its_mood_and_its_story() -> None:
    (judged,) = told("judge", "$PEPE long, entry 10 to 12, stop 9, targets 15 and 20. Buy now")
    assert judged["call"] == {"side": "long", "entry": ["10", "12"], "stop": "9", "targets": ["15", "20"]}
    assert judged["mood"] == "instruction"
    assert (judged["story"]["cluster_id"], judged["story"]["joined"]) == (None, False)
    assert judged["story"]["manipulation"] == {"score": 0.0, "reasons": []}
    assert judged["shadow"] == ""


@pytest.mark.usefixtures("coins")
def test_words_in_a_picture_are_found_at_their_place(screenshot: Path) -> None:
    (judged,) = told("judge", "look at this", "--image", str(screenshot))
    assert (judged["type"], judged["coins"]) == ("bullish", ["BTC"])
    assert any(each["kind"] == "ocr" and each["box"] for each in judged["evidence"])


@pytest.mark.usefixtures("coins")
def test_nothing_is_stored(screenshot: Path) -> None:
    told("judge", "Sell ETH now", "--image", str(screenshot))
    assert not any(model.objects.exists() for model in (Post, Analysis, Signal, Media))


def test_a_picture_is_read_with_its_boxes(screenshot: Path) -> None:
    (read,) = told("read", str(screenshot))
    assert "BTC" in read["text"]
    assert (read["language"], read["error"]) == ("en", "")
    assert read["engine"].startswith("pp-ocrv6")
    assert not any(box["unsure"] for box in read["boxes"])
    assert read["confidence"] > 0.8
    assert all(len(box["points"]) == 4 for box in read["boxes"])


def test_what_is_no_picture_is_named_and_the_others_are_read(screenshot: Path, tmp_path: Path) -> None:
    drawing = tmp_path / "drawing.svg"
    drawing.write_text("<svg/>")
    out = StringIO()
    with pytest.raises(CommandError, match=r"drawing\.svg") as failed:
        call_command("read", str(drawing), str(screenshot), "--json", stdout=out)
    assert failed.value.returncode == 3
    bad, good = map(json.loads, out.getvalue().splitlines())
    assert "an SVG drawing; only PNG" in bad["error"]
    assert "BTC" in good["text"]


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        call_command("judge", "text", "--image", str(tmp_path / "nothing.png"))


@pytest.mark.usefixtures("coins")
def test_people_get_tables(screenshot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("judge", "Buy BTC now [bold]", "--image", str(screenshot))
    call_command("read", str(screenshot))
    shown = capsys.readouterr().out
    assert "bullish" in shown
    assert "analyzer" in shown
    assert "confidence" in shown
