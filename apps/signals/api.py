"""REST of the signals app: `GET /api/v1/signals`, newest first."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

from django.db.models import QuerySet
from django.utils.dateparse import parse_date, parse_datetime
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.signals import selectors
from apps.signals.models import Signal
from tradebot.contracts.errors import InvalidField
from tradebot.rest import Page

LONGEST_SYMBOL = 20


class SignalPage(Page):
    """`{"signals": [...], "next": url or null}`."""

    results_key = "signals"


class EvidenceSerializer(serializers.Serializer[dict[str, Any]]):
    """Words of the post (span) or of its picture (box) that carry the verdict."""

    kind = serializers.CharField()
    quote = serializers.CharField()
    weight = serializers.FloatField()
    model = serializers.CharField()
    span = serializers.ListField(child=serializers.IntegerField(), allow_null=True)
    box = serializers.ListField(child=serializers.ListField(child=serializers.FloatField()), allow_null=True)


class CallSerializer(serializers.Serializer[dict[str, Any]]):
    """The numbers of a trade call as they stand in the post, in quote currency."""

    side = serializers.ChoiceField(choices=("long", "short"))
    entry = serializers.ListField(child=serializers.CharField())
    stop = serializers.CharField(allow_null=True)
    targets = serializers.ListField(child=serializers.CharField())


class SignalSerializer(serializers.ModelSerializer[Signal]):
    """A signal as DESIGN's example shows it, with its coins, event and evidence."""

    coins = serializers.ListField(child=serializers.CharField())
    sources = serializers.ListField(child=serializers.CharField())
    evidence = EvidenceSerializer(many=True)
    call = CallSerializer(allow_null=True)
    cluster_id = serializers.UUIDField(allow_null=True, help_text="The story that its post tells, with others.")

    class Meta:
        model = Signal
        fields = (
            *("id", "type", "confidence", "sources", "timestamp", "coins", "event", "evidence"),
            *("mood", "call", "cluster_id", "shadow"),
        )
        read_only_fields = fields


COIN = OpenApiParameter("coin", str, description="Only signals of this coin, for example BTC.")
SINCE = OpenApiParameter("since", str, description="From this date or time on, ISO 8601; without an offset it is UTC.")


class SignalViewSet(mixins.RetrieveModelMixin, mixins.ListModelMixin, viewsets.GenericViewSet[Signal]):
    """Public signals and those of the caller's own pushed posts."""

    serializer_class = SignalSerializer
    pagination_class = SignalPage
    ordering = ("-timestamp",)

    def get_queryset(self) -> QuerySet[Signal]:
        if getattr(self, "swagger_fake_view", False):
            return Signal.objects.none()
        viewer = self.request.user.pk
        if self.action != "list":
            return selectors.visible_to(viewer)
        asked = self.request.query_params
        return selectors.filtered(viewer=viewer, coin=_coin(asked.get("coin")), since=_since(asked.get("since")))

    @extend_schema(parameters=[COIN, SINCE])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)


def _coin(given: str | None) -> str | None:
    if given is None:
        return None
    symbol = given.strip().lstrip("$").upper()
    if not symbol or len(symbol) > LONGEST_SYMBOL or not (symbol.isascii() and symbol.isalnum()):
        raise InvalidField("coin", f"{given[:40]!r} is no coin symbol; write it like BTC")
    return symbol


def _since(given: str | None) -> datetime | None:
    if given is None:
        return None
    try:
        moment = parse_datetime(given.replace(" ", "+")) if "T" in given else None
        day = parse_date(given) if moment is None else None
    except ValueError:
        moment, day = None, None
    if moment is None and day is None:
        raise InvalidField("since", f"{given[:40]!r} is no date; write it like 2023-07-01 or 2023-07-01T14:30:00Z")
    moment = moment or datetime.combine(day, time.min)  # type: ignore[arg-type]
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


routes = [("signals", SignalViewSet, "signal")]
