"""The receipt as a page of the admin: why was this traded, and where did the time go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from unfold.decorators import action

from apps.trading import receipts
from apps.trading.domain.numbers import plain, read
from apps.trading.domain.states import CommandState, OrderStatus
from apps.trading.domain.timeline import Span
from apps.trading.receipts import Receipt

GOOD, BAD, OPEN = "good", "bad", "open"
MARGIN = 8
"""Pixels around a drawing."""
_TONES = {
    OrderStatus.FILLED: GOOD,
    OrderStatus.REJECTED: BAD,
    OrderStatus.NOT_PLACED: BAD,
    OrderStatus.UNKNOWN: BAD,
}


@dataclass(frozen=True, slots=True)
class Headline:
    """The answer in one line. `tone`: good, bad or open."""

    tone: str
    title: str
    detail: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A span as drawn: where it begins and how wide it is, in percent of the whole way."""

    span: Span
    left: str
    width: str


class ReceiptPage:
    """For the admin of rows that have a receipt: a button on the row's page."""

    actions_detail = ("receipt",)
    receipt_of: Callable[[UUID], Receipt | None]

    @action(description="Receipt: why?", url_path="receipt", icon="receipt_long")  # type: ignore[untyped-decorator]
    def receipt(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.get_object(request, unquote(str(object_id)))  # type: ignore[attr-defined]
        if row is None:
            raise Http404("there is no such row")
        if not self.has_view_permission(request, row):  # type: ignore[attr-defined]
            raise PermissionDenied
        found = type(self).receipt_of(row.pk)
        if found is None:
            raise Http404("there is no such row")
        return page(request, self, row, found)


def page(request: HttpRequest, admin: Any, row: Any, receipt: Receipt) -> HttpResponse:
    """The receipt as HTML."""
    context = {
        **admin.admin_site.each_context(request),
        "title": f"Receipt of {row}",
        "opts": admin.model._meta,
        "row": row,
        "receipt": _drawn(receipts.written(receipt)),
        "headline": headline(receipt),
        "facts": facts(receipt),
        "checks": receipt.decision.get("checks") or [],
        "venues": _scored(receipt.venues),
        "bars": bars(receipt.timeline),
        "total_ms": _total(receipt.timeline),
    }
    return render(request, "admin/trading/receipt.html", context)


@dataclass(frozen=True, slots=True)
class Sketch:
    """Where the lines of a picture stand, as SVG: width and height in pixels, and each line's corners, text and whether
    it decided."""

    view: str
    lines: list[tuple[str, str, bool]]


def sketch(boxes: Iterable[Mapping[str, Any]]) -> Sketch | None:
    """A drawing of a picture's lines, the deciding ones to be marked; None where it has none."""
    found = [box for box in boxes if box["points"]]
    corners = [corner for box in found for corner in box["points"]]
    if not corners:
        return None
    lines = [
        (" ".join(f"{x:g},{y:g}" for x, y in box["points"]), str(box["text"]), bool(box["decided"])) for box in found
    ]
    width, height = (max(side) + MARGIN for side in zip(*corners, strict=True))
    return Sketch(f"{width:.0f} {height:.0f}", lines)


def _drawn(written: dict[str, Any]) -> dict[str, Any]:
    """With a drawing of each picture that has lines."""
    images = [{**image, "sketch": sketch(image["boxes"])} for image in written["images"]]
    return {**written, "images": images}


def headline(receipt: Receipt) -> Headline:
    """What happened, and if nothing did, why."""
    command, order = receipt.command, receipt.order
    wish = f"{command['action']} {command['pair']} on {command['exchange']}"
    if order is None:
        state = CommandState(command["state"])
        tone = BAD if state == CommandState.DENIED else OPEN
        return Headline(tone, f"{_words(state)}: {wish}", command["reason"] or "nothing was decided yet")
    tone = _TONES.get(OrderStatus(order.status), OPEN)
    if order.filled:
        average = f" at {plain(order.average)}" if order.average else ""
        verb = "Bought" if order.side == "buy" else "Sold"
        base, quote = order.pair.split("/")
        title = f"{verb} {plain(order.filled)} {base}{average} {quote} on {order.exchange}"
        return Headline(tone, title, order.reason or _words(order.status))
    return Headline(tone, f"{_words(order.status)}: {wish}", order.reason or command["reason"])


def facts(receipt: Receipt) -> list[tuple[str, str]]:
    """The numbers that people ask for first."""
    command, order = receipt.command, receipt.order
    found = [("mode", command["mode"]), ("leg", command["leg"]), ("command", _words(command["state"]))]
    if order:
        found += [
            ("order", _words(order.status)),
            ("filled", f"{plain(order.filled)} of {plain(order.amount)}"),
            ("fees", ", ".join(f"{amount} {coin}" for coin, amount in receipt.fees.items()) or "none"),
        ]
    found += [(f"slippage since the {each.since}", _slipped(each)) for each in receipt.slippage]
    return found


def _slipped(slippage: Any) -> str:
    return f"{slippage.percent:+f} % ({_signed(slippage.quote)})"


def _signed(number: Decimal) -> str:
    return f"{'+' if number > 0 else ''}{plain(number)}"


def bars(timeline: Iterable[Span]) -> list[Bar]:
    """Each span's place on one line of 100 percent."""
    spans = list(timeline)
    whole = max(_total(spans), 1)
    return [_bar(span, whole) for span in spans]


def _bar(span: Span, whole: int) -> Bar:
    """Wide enough to be seen, and never beyond the end."""
    width = max(span.ms, 1)
    return Bar(span, _percent(min(span.start_ms, whole - width), whole), _percent(width, whole))


def _percent(part: int, whole: int) -> str:
    return f"{Decimal(100 * part) / whole:.2f}"


def _total(spans: Iterable[Span]) -> int:
    return max((span.start_ms + span.ms for span in spans), default=0)


def _scored(venues: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each venue's scores with their width as a bar; a score is a number from 0 to 1, written as text."""
    return [{**venue, "bars": [_score(*item) for item in venue.items()]} for venue in venues]


def _score(name: str, value: Any) -> dict[str, Any]:
    number = read(str(value))
    wide = number is not None and 0 <= number <= 1
    return {"name": name, "value": value, "width": f"{number * 100:.0f}" if wide and number is not None else ""}


def _words(name: str) -> str:
    return str(name).replace("_", " ").lower()
