"""The reliability diagram as SVG: how often answers of each confidence were right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from apps.signals.domain.calibration import Bin

SIDE, EDGE = 320, 40


def diagram(bins: Sequence[Bin]) -> str:
    """A square from 0 to 1; on the dashed line confidence is what it says. Bars carry their number of answers."""
    whole = SIDE + 2 * EDGE
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole} {whole}" font-family="sans-serif" '
            'font-size="11">',
            f'<rect width="{whole}" height="{whole}" fill="#fff"/>',
            *_bars(bins),
            f'<path d="M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}" stroke="#444" stroke-dasharray="4 4"/>',
            f'<path d="M{_x(0)} {_y(1)}V{_y(0)}H{_x(1)}" stroke="#444" fill="none"/>',
            f'<text x="{whole / 2}" y="{whole - 8}" text-anchor="middle">confidence</text>',
            f'<text x="12" y="{whole / 2}" text-anchor="middle" transform="rotate(-90 12 {whole / 2})">right</text>',
            *_ticks(),
            "</svg>\n",
        ]
    )


def _bars(bins: Sequence[Bin]) -> Iterator[str]:
    for each in bins:
        left, width, top = _x(each.low), _x(each.high) - _x(each.low) - 2, _y(each.accuracy)
        yield (
            f'<rect x="{left + 1:.1f}" y="{top:.1f}" width="{width:.1f}" height="{_y(0) - top:.1f}" fill="#4c78a8">'
            f"<title>sure {each.confidence:.3f}, right {each.accuracy:.3f}, {each.count} answers</title></rect>"
        )
        yield f'<text x="{left + width / 2:.1f}" y="{top - 4:.1f}" text-anchor="middle">{each.count}</text>'


def _ticks() -> Iterator[str]:
    for share in (0, 0.5, 1):
        yield f'<text x="{_x(share)}" y="{_y(0) + 14}" text-anchor="middle">{share:g}</text>'
        yield f'<text x="{_x(0) - 6}" y="{_y(share) + 4}" text-anchor="end">{share:g}</text>'


def _x(share: float) -> float:
    return EDGE + share * SIDE


def _y(share: float) -> float:
    return EDGE + (1 - share) * SIDE
