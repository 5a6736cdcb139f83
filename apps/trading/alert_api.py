"""REST of alerts: everybody sees those of their own accounts, operators see all and say what they found."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from apps.trading import services
from apps.trading.models import Alert
from tradebot.contracts.errors import InvalidField
from tradebot.rest import OwnedReadOnlyViewSet


class AlertSerializer(serializers.ModelSerializer[Alert]):
    class Meta:
        model = Alert
        fields = (
            "id", "kind", "key", "credential_id", "order_id", "pair", "message", "raised_at", "settled_at",
            "settlement",
        )  # fmt: skip


class AnswerSerializer(serializers.Serializer[Alert]):
    answer = serializers.ChoiceField(
        choices=services.ANSWERS,
        help_text="`not_placed`: the order in doubt is not at the exchange; `placed`: it is; `seen`: nothing to say.",
    )
    venue_order_id = serializers.CharField(
        max_length=80, required=False, default="", help_text="With `placed`: the order's id as the exchange shows it."
    )


@extend_schema_view(
    list=extend_schema(parameters=[OpenApiParameter("open", enum=["true"], description="Only what is not settled.")])
)
class AlertViewSet(OwnedReadOnlyViewSet[Alert]):
    """What was found at exchanges that tradebot does not touch or can't decide, newest first."""

    queryset = Alert.objects.all()
    serializer_class = AlertSerializer
    ordering = ("-raised_at",)

    def get_queryset(self) -> QuerySet[Alert]:
        everything = getattr(self.request.user, "is_staff", False) and not getattr(self, "swagger_fake_view", False)
        found = Alert.objects.all() if everything else super().get_queryset()
        return found.filter(settled_at=None) if _only_open(self.request) else found

    @extend_schema(request=AnswerSerializer, responses=AlertSerializer)
    @action(detail=True, methods=["post"], filter_backends=[])
    def settle(self, request: Request, pk: str) -> Response:
        """Say what you found at the exchange; for operators. Who said so is kept."""
        alert = self.get_object()
        if not getattr(request.user, "is_staff", False):
            raise PermissionDenied("Only operators settle alerts; tell yours what you found.")
        asked = AnswerSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response(AlertSerializer(answered(alert, request.user, asked.validated_data)).data)


def _only_open(request: Request) -> bool:
    wanted = request.query_params.get("open")
    if wanted not in {None, "true"}:
        raise InvalidField("open", f"{wanted!r} is unknown; leave it out, or say true")
    return wanted is not None


def answered(alert: Alert, person: Any, said: dict[str, str]) -> Alert:
    """`alert` after `person` said what they found. Raises InvalidField."""
    return services.settle(
        alert_id=alert.pk, by=cast(UUID, person.pk), name=person.get_username(), now=timezone.now(), **said
    )
