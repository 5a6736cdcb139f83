"""Renders the screenshots of texts.toml and writes their truth; run by hand when a text changes (docs/models.md)."""

from __future__ import annotations

import argparse
import io
import json
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from apps.sources.domain.picture import reading_of
from tradebot.contracts.messages import Box

HERE = Path(__file__).parent
IMAGES = HERE / "images"
TRUTH = HERE / "truth.json"
LATIN = (
    ("Inter-Regular.otf", "Inter-Bold.otf"),
    ("Roboto-Regular.ttf", "Roboto-Bold.ttf"),
    ("LiberationSans-Regular.ttf", "LiberationSans-Bold.ttf"),
    ("OpenSans-Regular.ttf", "OpenSans-Bold.ttf"),
    ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
)
CHINESE = (("NotoSansCJK-Regular.ttc", "NotoSansCJK-Bold.ttc"), ("wqy-microhei.ttc", "wqy-microhei.ttc"))
SIMPLIFIED = 2
"""Face of the Noto collection that has the mainland shapes."""


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours: paper, words, fainter words, the accent of bars and lines."""

    paper: str
    ink: str
    faint: str
    accent: str


LIGHT = Theme("#ffffff", "#0f1419", "#536471", "#1d9bf0")
DARK = Theme("#15202b", "#f7f9f9", "#8b98a5", "#1d9bf0")
BLACK = Theme("#000000", "#e7e9ea", "#71767b", "#f0b90b")
CREAM = Theme("#fffdf5", "#222222", "#6b6b6b", "#c0392b")


@dataclass(slots=True)
class Canvas:
    """A picture that remembers what was written where. `scale` multiplies every length given."""

    width: int
    height: int
    scale: float
    theme: Theme
    fonts: tuple[Path, Path]
    image: Image.Image = field(init=False)
    pen: ImageDraw.ImageDraw = field(init=False)
    boxes: list[Box] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.image = Image.new("RGB", (int(self.width * self.scale), int(self.height * self.scale)), self.theme.paper)
        self.pen = ImageDraw.Draw(self.image)

    def font(self, size: float, *, bold: bool = False) -> ImageFont.FreeTypeFont:
        path = self.fonts[bold]
        face = SIMPLIFIED if path.name.startswith("NotoSansCJK") else 0
        return ImageFont.truetype(str(path), round(size * self.scale), index=face)

    def write(self, x: float, y: float, text: str, size: float, colour: str, *, bold: bool = False) -> None:
        """One line of text with its top left at x, y."""
        place, font = (x * self.scale, y * self.scale), self.font(size, bold=bold)
        self.pen.text(place, text, font=font, fill=colour)
        left, top, right, bottom = self.pen.textbbox(place, text, font=font)
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        self.boxes.append(Box(text=text, confidence=1.0, points=corners))

    def wrapped(self, text: str, size: float, width: float) -> list[str]:
        """The text in lines no wider than `width`, broken at blanks."""
        lines, font = [""], self.font(size)
        for word in text.split(" "):
            longer = f"{lines[-1]} {word}".strip()
            if font.getlength(longer) <= width * self.scale:
                lines[-1] = longer
            else:
                lines.append(word)
        return lines

    def scaled(self, *lengths: float) -> tuple[float, ...]:
        return tuple(length * self.scale for length in lengths)

    def text(self) -> str:
        """What stands in it, in reading order."""
        return reading_of(self.boxes, "truth").text


def post(canvas: Canvas, words: dict[str, Any]) -> None:
    """A post as a social network shows it."""
    theme = canvas.theme
    canvas.pen.ellipse(canvas.scaled(20, 20, 68, 68), fill=theme.accent)
    canvas.write(82, 20, words["name"], 17, theme.ink, bold=True)
    canvas.write(82, 45, words["handle"], 15, theme.faint)
    y = 88
    for line in canvas.wrapped(words["body"], 20, canvas.width - 50):
        canvas.write(20, y, line, 20, theme.ink)
        y += 31
    canvas.write(20, y + 14, words["foot"], 15, theme.faint)


def post_height(words: dict[str, Any]) -> int:
    return 150 + 31 * (len(words["body"]) // 42 + 1)


def notice(canvas: Canvas, words: dict[str, Any]) -> None:
    """An announcement: a coloured bar, a title, lines below."""
    theme = canvas.theme
    canvas.pen.rectangle(canvas.scaled(0, 0, canvas.width, 9), fill=theme.accent)
    canvas.write(28, 30, words["title"], 26, theme.ink, bold=True)
    canvas.pen.line(canvas.scaled(28, 78, canvas.width - 28, 78), fill=theme.faint)
    for place, line in enumerate(words["lines"]):
        canvas.write(28, 96 + 38 * place, line, 20, theme.ink)


def notice_height(words: dict[str, Any]) -> int:
    return 120 + 38 * len(words["lines"])


def chart(canvas: Canvas, words: dict[str, Any]) -> None:
    """Candles over a grid, prices at the right, notes in the upper left."""
    theme, bottom = canvas.theme, canvas.height - 60
    canvas.write(20, 14, words["title"], 19, theme.ink, bold=True)
    step = (bottom - 130) / (len(words["prices"]) - 1)
    for place, price in enumerate(words["prices"]):
        y = 130 + step * place
        canvas.pen.line(canvas.scaled(20, y, canvas.width - 110, y), fill=theme.faint)
        canvas.write(canvas.width - 98, y - 8, price, 14, theme.ink)
    _candles(canvas, 140, bottom - 10, Random(words["title"]))
    for place, note in enumerate(words["notes"]):
        canvas.write(20 + 230 * place, 60, note, 16, theme.accent)
    for place, label in enumerate(("09:00", "12:00", "15:00", "18:00")):
        canvas.write(60 + 140 * place, bottom + 22, label, 13, theme.faint)


def chart_height(_: dict[str, Any]) -> int:
    return 460


def _candles(canvas: Canvas, top: float, bottom: float, dice: Random) -> None:
    level = (top + bottom) / 2
    for x in range(40, canvas.width - 130, 14):
        close = min(bottom - 12, max(top + 12, level + dice.uniform(-32, 30)))
        colour = "#26a69a" if close < level else "#ef5350"
        high, low = min(level, close) - dice.uniform(1, 11), max(level, close) + dice.uniform(1, 11)
        canvas.pen.line(canvas.scaled(x + 4, high, x + 4, low), fill=colour, width=max(1, round(canvas.scale)))
        canvas.pen.rectangle(canvas.scaled(x, min(level, close), x + 8, max(level, close) + 1), fill=colour)
        level = close


LAYOUTS = {"post": (post, post_height), "notice": (notice, notice_height), "chart": (chart, chart_height)}


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture to make: its name, kind, layout, words, theme, fonts, scale, and the quality of its JPEG."""

    name: str
    kind: str
    layout: str
    words: dict[str, Any]
    theme: Theme
    fonts: tuple[str, str]
    scale: float
    quality: int


def shots(texts: dict[str, list[dict[str, Any]]]) -> list[Shot]:
    """Every picture. Scale, font and quality go round, so that each kind meets many combinations."""
    found = [*_posts(texts["post"]), *_others(texts)]
    return [
        Shot(
            f"{kind}-{place:02d}.jpg",
            kind,
            layout,
            words,
            theme,
            (CHINESE if kind in {"chinese", "mixed"} else LATIN)[place % (2 if kind in {"chinese", "mixed"} else 5)],
            (1.0, 1.25, 1.5, 0.9, 2.0)[place * 3 % 5],
            35 + place * 17 % 51,
        )
        for place, (kind, layout, words, theme) in enumerate(found)
    ]


def _posts(posts: Sequence[dict[str, Any]]) -> Iterable[tuple[str, str, dict[str, Any], Theme]]:
    for place, words in enumerate(posts):
        if place % 2 == 0 or place % 3 == 0:
            yield "tweet-light", "post", words, LIGHT
        if place % 2 == 1 or place % 3 == 0:
            yield "tweet-dark", "post", words, DARK if place % 4 else BLACK


def _others(texts: dict[str, list[dict[str, Any]]]) -> Iterable[tuple[str, str, dict[str, Any], Theme]]:
    for key, kind, layout, themes in (
        ("notice", "notice", "notice", (LIGHT, CREAM, BLACK)),
        ("chart", "chart", "chart", (LIGHT, BLACK, DARK)),
        ("zh", "chinese", "notice", (CREAM, LIGHT, DARK)),
        ("mixed", "mixed", "notice", (LIGHT, DARK, CREAM)),
    ):
        for place, words in enumerate(texts[key]):
            yield kind, layout, words, themes[place % 3]


def draw(shot: Shot, fonts: dict[str, Path]) -> Canvas:
    """The picture, and what stands in it."""
    paint, height = LAYOUTS[shot.layout]
    canvas = Canvas(620, height(shot.words), shot.scale, shot.theme, (fonts[shot.fonts[0]], fonts[shot.fonts[1]]))
    paint(canvas, shot.words)
    return canvas


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fonts", type=Path, required=True, help="a folder that holds the fonts, at any depth")
    fonts = {path.name: path for path in parser.parse_args().fonts.rglob("*.[to]t[fc]")}
    truth: dict[str, dict[str, str]] = {}
    IMAGES.mkdir(exist_ok=True)
    for shot in shots(tomllib.loads((HERE / "texts.toml").read_text())):
        canvas, stream = draw(shot, fonts), io.BytesIO()
        canvas.image.save(stream, "JPEG", quality=shot.quality)
        (IMAGES / shot.name).write_bytes(stream.getvalue())
        truth[shot.name] = {"kind": shot.kind, "text": canvas.text()}
    TRUTH.write_text(json.dumps(truth, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
