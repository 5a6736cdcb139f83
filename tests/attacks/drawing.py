"""Small pictures of few words: a reader of pictures needs time for every line."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from tests.attacks.attacks import Drawing

_DRAWN = Path(__file__).with_name("pictures")
SIZE = 18
_LEADING = 26
_MARGIN = 12


def draw(drawing: Drawing, path: Path) -> None:
    """Write the drawing as a PNG."""
    if drawing.file:
        path.write_bytes((_DRAWN / drawing.file).read_bytes())
        return
    font = ImageFont.load_default(SIZE)
    ground, ink = ("#15202b", "white") if drawing.dark else ("white", "black")
    width = max(int(font.getlength(line)) for line in drawing.lines) + 2 * _MARGIN
    image = Image.new("RGB", (width, _LEADING * len(drawing.lines) + 2 * _MARGIN), ground)
    pen = ImageDraw.Draw(image)
    for place, line in enumerate(drawing.lines):
        pen.text((_MARGIN, _MARGIN + _LEADING * place), line, fill=drawing.ink or ink, font=font)
    image.save(path)
