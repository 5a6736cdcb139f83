"""REST of trading: orders with their receipts, positions, and the caller's own risk policy."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any, cast
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.trading import receipts, services
from apps.trading.alert_api import AlertViewSet
from apps.trading.domain.numbers import plain
from apps.trading.domain.risk import coins
from apps.trading.domain.states import CommandState, OrderStatus
from apps.trading.models import Command, Order, Position, RiskPolicy, Way
from tradebot.contracts.errors import InvalidField
from tradebot.contracts.values import KillSwitch, Pair
from tradebot.rest import OwnedReadOnlyViewSet

_LARGEST = Decimal(10) ** 20


@extend_schema_field(OpenApiTypes.DECIMAL)
class NumberField(serializers.Field[Decimal, Any, str | None, Any]):
    """A decimal as text, without needless zeros."""

    def to_representation(self, value: Decimal) -> str | None:
        return plain(value)


class OrderSerializer(serializers.ModelSerializer[Order]):
    signal_id = serializers.CharField(source="command.signal_id", read_only=True)
    strategy_id = serializers.CharField(source="command.strategy_id", read_only=True)
    amount = NumberField(read_only=True)
    price = NumberField(read_only=True, help_text="The limit; null for market orders.")
    stop_price = NumberField(read_only=True)
    filled = NumberField(read_only=True)
    average = NumberField(read_only=True, help_text="Average price of what is filled.")

    class Meta:
        model = Order
        fields = (
            "id", "signal_id", "strategy_id", "pair", "side", "type", "leg", "amount", "price", "stop_price", "status",
            "filled", "average", "fee", "exchange", "reason", "created_at",
        )  # fmt: skip


class PositionSerializer(serializers.ModelSerializer[Position]):
    amount = NumberField(read_only=True)
    cost = NumberField(source="cost_quote", read_only=True, help_text="What the held amount cost, in `quote`.")
    realised = NumberField(source="realised_quote", read_only=True, help_text="Profit taken so far, in `quote`.")

    class Meta:
        model = Position
        fields = ("credential_id", "coin", "quote", "amount", "cost", "realised", "updated_at")


class LimitField(serializers.DecimalField):
    """Quote currency, null for no limit, written without needless zeros."""

    def __init__(self) -> None:
        super().__init__(max_digits=38, decimal_places=18, min_value=Decimal(0), max_value=_LARGEST, allow_null=True)

    def to_representation(self, value: Any) -> str | None:  # type: ignore[override]
        return plain(Decimal(value))


class ShareField(serializers.DecimalField):
    """Percent, null for no limit, written without needless zeros."""

    def __init__(self, **more: Any) -> None:
        super().__init__(
            max_digits=5,
            decimal_places=2,
            allow_null=True,
            min_value=Decimal("0.01"),
            max_value=Decimal(100),
            **more,
        )

    def to_representation(self, value: Any) -> str | None:  # type: ignore[override]
        return plain(Decimal(value))


class RiskPolicySerializer(serializers.Serializer[RiskPolicy]):
    max_daily_loss = LimitField()
    position_limit = LimitField()
    cooling_period = serializers.IntegerField(min_value=0, max_value=525_600, help_text="Minutes.")
    max_order_rate = serializers.IntegerField(
        min_value=1, max_value=100_000, allow_null=True, help_text="Orders of one account in a minute."
    )
    max_depth_share = ShareField(help_text="Percent of the visible sell orders that one entry may take.")
    max_price_move = ShareField(help_text="Percent that the price may have moved since the signal.")
    blacklist = serializers.ListField(child=serializers.CharField(max_length=20), max_length=500)
    kill_switch = serializers.ChoiceField(choices=[state.value for state in KillSwitch])

    reason = serializers.CharField(
        max_length=500, required=False, write_only=True, help_text="Why; kept with the change."
    )

    def validate_blacklist(self, symbols: list[str]) -> list[str]:
        return coins(symbols)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        for name in self.initial_data:
            if name not in self.fields:
                raise InvalidField(name, f"is unknown; there are {', '.join(self.fields)}")
        return attrs


_FILTERS = [
    OpenApiParameter("status", enum=[status.value for status in OrderStatus], description="Only orders in this state."),
    OpenApiParameter("pair", description="Only orders of this pair, as BTC/USDT."),
]


@extend_schema_view(list=extend_schema(parameters=_FILTERS))
class OrderViewSet(OwnedReadOnlyViewSet[Order]):
    """The caller's orders, newest first."""

    queryset = Order.objects.select_related("command")
    serializer_class = OrderSerializer
    ordering = ("-created_at",)

    def get_queryset(self) -> QuerySet[Order]:
        found = super().get_queryset()
        if status := self.request.query_params.get("status"):
            found = found.filter(status=_one_of(OrderStatus, "status", status))
        if pair := self.request.query_params.get("pair"):
            found = found.filter(pair=str(Pair.parse(pair.upper())))
        return found

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True, filter_backends=[])
    def receipt(self, request: Request, pk: str) -> Response:
        """Why this order was made: signal, strategy, every check with its numbers, fills, fees, and where time went."""
        found = receipts.of_order(self.get_object().pk)
        if found is None:
            raise NotFound
        return Response(receipts.written(found))


class CommandSerializer(serializers.ModelSerializer[Command]):
    class Meta:
        model = Command
        fields = (
            "id", "signal_id", "strategy_id", "credential_id", "exchange", "pair", "action", "leg", "mode", "state",
            "code", "reason", "created_at", "decided_at",
        )  # fmt: skip


@extend_schema_view(
    list=extend_schema(parameters=[OpenApiParameter("state", enum=[state.value for state in CommandState])])
)
class CommandViewSet(OwnedReadOnlyViewSet[Command]):
    """What the caller's strategies asked for, newest first: what was denied stands here with its reason."""

    queryset = Command.objects.all()
    serializer_class = CommandSerializer
    ordering = ("-created_at",)

    def get_queryset(self) -> QuerySet[Command]:
        found = super().get_queryset()
        state = self.request.query_params.get("state")
        return found.filter(state=_one_of(CommandState, "state", state)) if state else found

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True, filter_backends=[])
    def receipt(self, request: Request, pk: str) -> Response:
        """As an order's receipt, with the command's last order if it made one."""
        found = receipts.of_command(self.get_object().pk)
        if found is None:
            raise NotFound
        return Response(receipts.written(found))


def _one_of(kind: type[StrEnum], field: str, text: str) -> str:
    try:
        return kind(text.upper()).value
    except ValueError:
        raise InvalidField(field, f"{text!r} is unknown; there are {', '.join(kind)}") from None


class PositionViewSet(OwnedReadOnlyViewSet[Position]):
    """What the bot itself holds for the caller; closed positions are left out."""

    queryset = Position.objects.filter(amount__gt=0)
    serializer_class = PositionSerializer
    ordering = ("coin",)


class RiskPolicyView(APIView):
    """The caller's own limits; the platform's apply besides. The kill switch takes effect on the next order."""

    @extend_schema(responses=RiskPolicySerializer)
    def get(self, request: Request) -> Response:
        return Response(RiskPolicySerializer(services.policy_of(_caller(request))).data)

    @extend_schema(request=RiskPolicySerializer(partial=True), responses=RiskPolicySerializer)
    def patch(self, request: Request) -> Response:
        asked = RiskPolicySerializer(data=request.data, partial=True)
        asked.is_valid(raise_exception=True)
        return _changed(request, _caller(request), asked.validated_data)


class PlatformPolicyView(APIView):
    """The limits that apply to everybody, beside each user's own. For staff."""

    permission_classes = (IsAdminUser,)

    @extend_schema(responses=RiskPolicySerializer)
    def get(self, request: Request) -> Response:
        return Response(RiskPolicySerializer(services.policy_of(None)).data)

    @extend_schema(request=RiskPolicySerializer(partial=True), responses=RiskPolicySerializer)
    def patch(self, request: Request) -> Response:
        asked = RiskPolicySerializer(data=request.data, partial=True)
        asked.is_valid(raise_exception=True)
        if "kill_switch" in asked.validated_data and not asked.validated_data.get("reason"):
            raise InvalidField("reason", "say why: others will ask")
        return _changed(request, None, asked.validated_data)


def _changed(request: Request, user_id: UUID | None, changes: dict[str, Any]) -> Response:
    by = services.By(request.user.get_username(), Way.API, _caller(request))
    told = {name: value for name, value in changes.items() if name != "reason"}
    policy = services.change_policy(
        user_id=user_id, changes=told, by=by, reason=changes.get("reason", ""), now=timezone.now()
    )
    return Response(RiskPolicySerializer(policy).data)


def _caller(request: Request) -> UUID:
    return cast(UUID, request.user.pk)


routes: list[tuple[str, type[APIView], str]] = [
    ("orders", OrderViewSet, "order"),
    ("commands", CommandViewSet, "command"),
    ("positions", PositionViewSet, "position"),
    ("risk-policy", RiskPolicyView, "risk-policy"),
    ("risk-policy/platform", PlatformPolicyView, "platform-risk-policy"),
    ("alerts", AlertViewSet, "alert"),
]
