"""Draws the pictures of the sample posts; run by hand when their wording changes (needs a font with Chinese glyphs)."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

IMAGES = Path(__file__).parent / "images"
WIDTH, MARGIN, LEADING = 760, 40, 1.5


@dataclass(frozen=True, slots=True)
class Line:
    """One printed line: its text, its size in pixels and its colour."""

    text: str
    size: int
    colour: str


@dataclass(frozen=True, slots=True)
class Card:
    """One picture: file name, paper colour, a bar across the top, and its lines."""

    name: str
    paper: str
    bar: str
    lines: tuple[Line, ...]


CARDS = (
    Card(
        "logo-post.png",
        "#15202b",
        "#1d9bf0",
        (
            Line("Bird Watch Announcements  @birdwatch_ann", 24, "#8899a6"),
            Line("The blue bird is gone: Twitter's logo is now", 30, "#ffffff"),
            Line("the Doge of Dogecoin. $DOGE is surging,", 30, "#ffffff"),
            Line("breakout confirmed, very bullish!", 30, "#ffffff"),
            Line("5:20 PM  Apr 3, 2023", 22, "#8899a6"),
        ),
    ),
    Card(
        "listing-notice.jpg",
        "#ffffff",
        "#f0b90b",
        (
            Line("NEW LISTING", 40, "#1e2329"),
            Line("The exchange will list Arbitrum (ARB).", 30, "#1e2329"),
            Line("Spot trading pair: ARB/USDT", 30, "#1e2329"),
            Line("Trading opens 2023-03-23 17:00 (UTC)", 26, "#474d57"),
            Line("Deposits are open now.", 26, "#474d57"),
        ),
    ),
    Card(
        "shangbi.png",
        "#fffdf5",
        "#c0392b",
        (
            Line("上币公告", 44, "#c0392b"),
            Line("交易所将上线 PEPE 现货交易", 34, "#222222"),
            Line("交易对：PEPE/USDT", 34, "#222222"),
            Line("开放时间：今日 16:00", 28, "#555555"),
        ),
    ),
    Card(
        "xianggang.png",
        "#f4f7fb",
        "#003b7a",
        (
            Line("重磅利好", 44, "#c0392b"),
            Line("香港批准以太坊现货 ETF", 36, "#111111"),
            Line("亚洲首只以太坊 ETF 即将上市", 32, "#111111"),
            Line("以太坊 (ETH) 价格大涨", 32, "#111111"),
            Line("2024年4月15日", 26, "#555555"),
        ),
    ),
)


def draw(card: Card, font: Path) -> Image.Image:
    """One card as an RGB picture, WIDTH pixels wide."""
    height = MARGIN * 2 + sum(int(line.size * LEADING) for line in card.lines)
    picture = Image.new("RGB", (WIDTH, height), card.paper)
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 0, WIDTH, 10), fill=card.bar)
    y = MARGIN
    for line in card.lines:
        pen.text((MARGIN, y), line.text, font=ImageFont.truetype(str(font), line.size), fill=line.colour)
        y += int(line.size * LEADING)
    return picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--font", type=Path, required=True, help="a .ttf or .ttc with Latin and Chinese glyphs")
    parser.add_argument("--into", type=Path, default=IMAGES)
    options = parser.parse_args()
    options.into.mkdir(parents=True, exist_ok=True)
    for card in CARDS:
        draw(card, options.font).save(options.into / card.name, optimize=True)


if __name__ == "__main__":
    main()
