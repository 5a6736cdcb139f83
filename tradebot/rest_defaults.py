"""What REST_FRAMEWORK in the settings names: how bodies are read, lists paged and callers throttled.

Apart from tradebot/rest.py because Django REST framework loads these while its own views are being imported.
"""

from __future__ import annotations

import binascii
import io
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

import structlog
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import Model, Q, QuerySet
from redis.exceptions import RedisError
from rest_framework import exceptions, pagination, parsers, throttling
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from tradebot.contracts.errors import InvalidField

if TYPE_CHECKING:
    from rest_framework.views import APIView

M = TypeVar("M", bound=Model)

_ESCAPES = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
log = structlog.get_logger(__name__)

# --- bodies ----------------------------------------------------------------------------------------------------------


class JSONParser(parsers.JSONParser):
    """JSON that PostgreSQL can store: no NUL character, no half of a surrogate pair."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        body = stream.read()
        try:
            parsed = super().parse(io.BytesIO(body), media_type, parser_context or {})
        except RecursionError:
            raise exceptions.ParseError("The JSON is nested too deeply.") from None
        if _ESCAPES.search(body) and (bad := next(_unstorable(parsed), None)) is not None:
            raise InvalidField(bad, "holds a NUL character or half a surrogate pair; remove it")
        return parsed


def _unstorable(value: object, path: str = "") -> Iterator[str]:
    if isinstance(value, str):
        if any(mark == "\0" or "\ud800" <= mark <= "\udfff" for mark in value):
            yield path
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _unstorable(key, join(path, ascii(key)))
            yield from _unstorable(inner, join(path, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _unstorable(inner, join(path, str(place)))


def join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


# --- pages -----------------------------------------------------------------------------------------------------------


class Page(pagination.BasePagination):
    """`{"results": [...], "next": url or null}`, ordered by one column that is never null and then the primary key,
    so that rows added meanwhile shift nothing. The column is the first of the view's `ordering`, else the model's."""

    page_size = 50
    max_page_size = 200
    results_key = "results"

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any]:
        size, order = self._size(request), self._order(queryset, view)
        field, down = order.lstrip("-"), order.startswith("-")
        if cursor := request.query_params.get("cursor"):
            queryset = queryset.filter(_beyond(queryset.model, cursor, field, "lt" if down else "gt"))
        rows = list(queryset.order_by(order, "-pk" if down else "pk")[: size + 1])
        page = rows[:size]
        self._next = self._link(request, page[-1], field) if len(rows) > size else None
        return page

    def get_paginated_response(self, data: Any) -> Response:
        return Response({self.results_key: data, "next": self._next})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        following = {"type": "string", "format": "uri", "nullable": True, "description": "The next page, if any."}
        properties = {self.results_key: schema, "next": following}
        return {"type": "object", "required": [self.results_key, "next"], "properties": properties}

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        size = {"type": "integer", "minimum": 1, "maximum": self.max_page_size, "default": self.page_size}
        return [
            {"name": "cursor", "in": "query", "description": "Taken from `next`.", "schema": {"type": "string"}},
            {"name": "page_size", "in": "query", "description": "Rows in one answer.", "schema": size},
        ]

    def _size(self, request: Request) -> int:
        asked = request.query_params.get("page_size", str(self.page_size))
        if asked.isascii() and asked.isdigit() and 1 <= int(asked[:9]) <= self.max_page_size:
            return int(asked)
        raise InvalidField("page_size", f"must be a whole number from 1 to {self.max_page_size}")

    @staticmethod
    def _order(queryset: QuerySet[M], view: APIView | None) -> str:
        ordering: Sequence[str] = getattr(view, "ordering", None) or cast(Sequence[str], queryset.model._meta.ordering)
        return ordering[0] if ordering else "-pk"

    @staticmethod
    def _link(request: Request, last: Model, field: str) -> str:
        mark = json.dumps([str(getattr(last, field)), str(last.pk)]).encode()
        return replace_query_param(request.build_absolute_uri(), "cursor", urlsafe_b64encode(mark).decode())


def _beyond(model: type[Model], cursor: str, field: str, side: str) -> Q:
    try:
        value, pk = json.loads(urlsafe_b64decode(cursor.encode()))
        value, pk = _column(model, field).to_python(value), _column(model, "pk").to_python(pk)
    except (ValueError, TypeError, binascii.Error, DjangoValidationError):
        raise InvalidField("cursor", "is not one of ours; take it from the `next` of a page") from None
    return Q((f"{field}__{side}", value)) | Q((field, value), (f"pk__{side}", pk))


def _column(model: type[Model], name: str) -> Any:
    return model._meta.pk if name == "pk" else model._meta.get_field(name)


# --- throttles -------------------------------------------------------------------------------------------------------


class _Forgiving(throttling.SimpleRateThrottle):
    """Limits are best effort: without the cache everyone may pass, rather than nobody."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        try:
            return super().allow_request(request, view)
        except RedisError as error:
            log.warning("throttle_without_cache", error=type(error).__name__)
            return True


class AnonThrottle(_Forgiving, throttling.AnonRateThrottle):
    """Requests per address of callers who are nobody yet."""


class UserThrottle(_Forgiving, throttling.UserRateThrottle):
    """Requests per user."""
