"""REST of strategies: saving them, and what each decided about every signal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import exceptions, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import selectors as accounts
from apps.strategies import selectors, services
from apps.strategies.domain.fields import InvalidFields
from apps.strategies.domain.matching import Reason
from apps.strategies.domain.spec import ENTRY_TYPES
from apps.strategies.models import MODES, Match, Strategy
from apps.strategies.selectors import StrategyView
from tradebot.contracts.errors import InvalidField
from tradebot.rest import Owned

NUMBER: dict[str, Any] = {"anyOf": [{"type": "number"}, {"type": "string", "format": "decimal"}]}


@extend_schema_field({**NUMBER, "description": "Over 0, at most 100; 10 means 10 %. A number, or a text of one."})
class Percentage(serializers.DecimalField):
    """Of a balance, a position or a price."""

    def __init__(self, *, required: bool = False) -> None:
        super().__init__(max_digits=21, decimal_places=18, required=required)


@extend_schema_field({**NUMBER, "description": "Over 0. A number, or a text of one."})
class Amount(serializers.DecimalField):
    """Of quote currency."""


@extend_schema_field(
    {
        "anyOf": [{"type": "string", "enum": ["best"]}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
        "nullable": True,
        "description": "Instead of credential_id: choose the exchange for every order, among all where the user has an "
        "active account ('best'), or among these, the first liked best.",
    }
)
class VenueChoice(serializers.JSONField):
    """`best`, or names of exchanges."""


class _Action(serializers.Serializer[Any]):
    percentage = Percentage(required=True)
    stop_loss = Percentage()
    take_profit = Percentage()
    trailing_stop = Percentage()
    order_type = serializers.ChoiceField([kind.value for kind in ENTRY_TYPES], required=False)


class Bullish(_Action):
    """Buy with `percentage` % of the free quote balance, at most `max_amount` of it."""

    max_amount = Amount(max_digits=33, decimal_places=18, required=False)


class Bearish(_Action):
    """Sell `percentage` % of what the bot holds of the coin; `stop_loss` protects the rest."""


class Actions(serializers.Serializer[Any]):
    """At least one of the two."""

    bullish = Bullish(required=False)
    bearish = Bearish(required=False)


class Watched(serializers.Serializer[Any]):
    """Without any source every source counts; without keywords any text; without coins every coin with a market."""

    twitter_users = serializers.ListField(child=serializers.CharField(), required=False)
    telegram_groups = serializers.ListField(child=serializers.CharField(), required=False)
    feeds = serializers.ListField(child=serializers.CharField(), required=False)
    keywords = serializers.ListField(child=serializers.CharField(), required=False)
    coins = serializers.ListField(child=serializers.CharField(), required=False)


class Window(serializers.Serializer[Any]):
    """Hours of the week."""

    days = serializers.ListField(child=serializers.CharField(), required=False, help_text='As ["mon", "tue"].')
    start = serializers.CharField(required=False, help_text="HH:MM")
    end = serializers.CharField(required=False, help_text="HH:MM, 24:00 for midnight")
    time_zone = serializers.CharField(required=False, help_text="IANA name; the user's own if absent.")


class StrategySerializer(serializers.Serializer[Any]):
    """A strategy as it is sent and answered. It describes; `domain.spec.parse_spec` reads and checks."""

    id = serializers.UUIDField(read_only=True)
    user_id = serializers.UUIDField(required=False, help_text="The token's own user; another's only for staff.")
    version = serializers.IntegerField(read_only=True)
    name = serializers.CharField(required=False, max_length=120)
    enabled = serializers.BooleanField(required=False, default=True)
    mode = serializers.ChoiceField(MODES, required=False, default="paper")
    credential_id = serializers.UUIDField(required=False, allow_null=True, help_text="Null: the user's paper account.")
    venue = VenueChoice(required=False)
    watch_list = Watched(required=False)
    actions = Actions()
    quote = serializers.CharField(required=False, default="USDT")
    min_confidence = serializers.FloatField(required=False, default=0.6)
    time_windows = Window(many=True, required=False)
    max_signal_age = serializers.IntegerField(required=False, default=300, help_text="Seconds.")
    cooldown_minutes = serializers.IntegerField(required=False, default=10, help_text="Per coin.")
    created_at = serializers.DateTimeField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)


class MatchSerializer(serializers.ModelSerializer[Match]):
    """What a strategy decided about a signal."""

    command_id = serializers.SerializerMethodField()

    class Meta:
        model = Match
        fields = ("signal_id", "version", "matched", "reason", "detail", "coin", "pair", "command_id", "created_at")

    def get_command_id(self, match: Match) -> str | None:
        return match.command["id"] if match.command else None


class StrategyViewSet(Owned[Strategy]):
    """A user's strategies. PATCH is a JSON merge patch: objects merge, null removes, lists replace."""

    queryset = Strategy.objects.filter(deleted_at=None)
    serializer_class = StrategySerializer
    http_method_names = ["get", "post", "patch", "delete", "head", "options"]

    def get_queryset(self) -> QuerySet[Strategy]:
        """The caller's own; staff reach any single one."""
        if self.action != "list" and self.request.user.is_staff:
            return self.queryset.all()
        return super().get_queryset()

    @extend_schema(request=StrategySerializer, responses={201: StrategySerializer})
    def create(self, request: Request) -> Response:
        raw = _body(request)
        owner = self._owner(raw, cast(UUID, request.user.pk))
        with _every_error():
            made = services.create(user_id=owner, raw=raw, author_id=request.user.pk)
        return Response(_shown(made), status=status.HTTP_201_CREATED)

    @extend_schema(responses=StrategySerializer(many=True))
    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(selectors.spoken(self.get_queryset()))
        return self.get_paginated_response([_shown(selectors.view(row, row.spec)) for row in page or []])

    @extend_schema(responses=StrategySerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        row = self.get_object()
        return Response(_shown(selectors.view(row, selectors.spec_of(row))))

    @extend_schema(request=StrategySerializer, responses=StrategySerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        row, changes = self.get_object(), _body(request)
        if self._owner(changes, row.user_id) != row.user_id:
            raise InvalidField("user_id", "a strategy keeps its owner; remove this field")
        with _every_error():
            saved = services.update(strategy_id=row.pk, changes=changes, author_id=cast(UUID, request.user.pk))
        return Response(_shown(saved))

    def destroy(self, request: Request, pk: str) -> Response:
        services.delete(strategy_id=self.get_object().pk)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        responses=MatchSerializer(many=True),
        parameters=[OpenApiParameter("matched", OpenApiTypes.BOOL, description="Only matches, or only the others.")],
    )
    @action(detail=True)
    def matches(self, request: Request, pk: str) -> Response:
        """What the strategy decided about each signal, newest first, with the first rule that failed."""
        # Another user's private post is no business of this one's, not even that there was one.
        rows = Match.objects.filter(strategy=self.get_object()).exclude(reason=Reason.OWNER)
        if asked := request.query_params.get("matched"):
            rows = rows.filter(matched=_flag("matched", asked))
        page = cast(list[Match], self.paginate_queryset(cast(Any, rows)))
        return self.get_paginated_response(MatchSerializer(page, many=True).data)

    def _owner(self, raw: dict[str, Any], default: UUID) -> UUID:
        """Take the `user_id` out of a body: the caller's own, or any for staff."""
        owner = _user_id(raw.pop("user_id", str(default)))
        if owner == self.request.user.pk:
            return owner
        if not self.request.user.is_staff:
            raise exceptions.PermissionDenied("user_id is not the token's own user.")
        if accounts.user(owner) is None:
            raise InvalidField("user_id", "no user has this id")
        return owner


def _body(request: Request) -> dict[str, Any]:
    if not isinstance(request.data, Mapping):
        raise InvalidField("", "send a JSON object")
    return dict(request.data)


def _user_id(text: object) -> UUID:
    try:
        return UUID(str(text))
    except ValueError:
        raise InvalidField("user_id", "give a user's id, a UUID") from None


def _flag(field: str, text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise InvalidField(field, "give true or false")
    return text.lower() == "true"


def _shown(strategy: StrategyView) -> dict[str, Any]:
    own = {"id": strategy.id, "user_id": strategy.user_id, "version": strategy.version}
    return {**own, **strategy.spec, "created_at": strategy.created_at, "updated_at": strategy.updated_at}


@contextmanager
def _every_error() -> Iterator[None]:
    """All broken rules in one answer."""
    try:
        yield
    except InvalidFields as error:
        reasons: dict[str, list[str]] = {}
        for problem in error.errors:
            reasons.setdefault(problem.field, []).append(problem.reason)
        raise exceptions.ValidationError(reasons) from None


routes = [("strategies", StrategyViewSet, "strategy")]
