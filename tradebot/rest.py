"""What every API view shares: owned objects, pages and one shape of error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import exceptions, mixins, viewsets
from rest_framework.response import Response
from rest_framework.views import exception_handler

from tradebot.contracts.errors import InvalidField
from tradebot.rest_defaults import JSONParser, Page, join

__all__ = ["JSONParser", "Owned", "OwnedReadOnlyViewSet", "OwnedViewSet", "Page", "TooLarge", "on_error"]

M = TypeVar("M", bound=Model)
Problem = dict[str, str]
"""`{"field", "reason"}`; field "" means the request as a whole."""

# --- owners ----------------------------------------------------------------------------------------------------------


class Owned(viewsets.GenericViewSet[M]):
    """Reaches every object through its owner, so another user's is 404. `owner` is the path to the user's column."""

    owner = "user"

    def get_queryset(self) -> QuerySet[M]:
        everything = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return everything.none()
        return everything.filter(**{self.owner: self.request.user})


class OwnedReadOnlyViewSet(mixins.RetrieveModelMixin, mixins.ListModelMixin, Owned[M]):
    """GET list and detail of the caller's own objects."""


class OwnedViewSet(mixins.CreateModelMixin, mixins.UpdateModelMixin, mixins.DestroyModelMixin, OwnedReadOnlyViewSet[M]):
    """POST, GET, PATCH and DELETE of the caller's own objects; PUT is not offered."""

    http_method_names = ["get", "post", "patch", "delete", "head", "options"]


# --- errors ----------------------------------------------------------------------------------------------------------


class TooLarge(exceptions.APIException):
    """The body is over the limit (bytes)."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The request body is over {limit} bytes; send less at a time.")


def on_error(error: Exception, context: dict[str, Any]) -> Response | None:
    """Every refusal is `{"errors": [{"field", "reason"}]}`, with the status that HTTP has for it."""
    if isinstance(error, InvalidField):
        error = exceptions.ValidationError({error.field: error.reason} if error.field else error.reason)
    elif isinstance(error, DjangoValidationError):
        error = exceptions.ValidationError(_plain(error))
    elif isinstance(error, RequestDataTooBig):
        error = TooLarge(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    response = exception_handler(error, context)
    if response is not None:
        response.data = {"errors": list(_problems(response.data))}
    return response


def _plain(error: DjangoValidationError) -> Any:
    return error.message_dict if hasattr(error, "error_dict") else error.messages


def _problems(detail: Any, path: str = "") -> Iterator[Problem]:
    if isinstance(detail, Mapping):
        for key, inner in detail.items():
            whole = str(key) in {"", "detail", "non_field_errors", "__all__"}
            yield from _problems(inner, path if whole else join(path, str(key)))
    elif isinstance(detail, list):
        for place, inner in enumerate(detail):
            nested = isinstance(inner, (Mapping, list))
            yield from _problems(inner, join(path, str(place)) if nested else path)
    else:
        yield {"field": path, "reason": str(detail)}


def describe_errors(result: dict[str, Any], **_: object) -> dict[str, Any]:
    """drf-spectacular hook: every call may be refused, always in this shape."""
    text = {"type": "string"}
    problem = {"type": "object", "required": ["field", "reason"], "properties": {"field": text, "reason": text}}
    several = {"type": "object", "required": ["errors"], "properties": {"errors": {"type": "array", "items": problem}}}
    result["components"]["schemas"]["Refusal"] = several
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}
    for methods in result["paths"].values():
        for operation in methods.values():
            operation["responses"]["4XX"] = {"description": "Refused, with the reason.", "content": content}
    return result


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404 for addresses that lead nowhere: in the API's shape under /api/, a page elsewhere."""
    if request.path.startswith("/api/"):
        return _whole(HTTPStatus.NOT_FOUND, f"{request.path} is no address of this API; /api/docs/ lists them")
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """500, in the API's shape under /api/: the details are in the log only."""
    if request.path.startswith("/api/"):
        return _whole(HTTPStatus.INTERNAL_SERVER_ERROR, "Something broke on our side; it has been logged")
    return defaults.server_error(request)


def _whole(status: HTTPStatus, reason: str) -> JsonResponse:
    return JsonResponse({"errors": [{"field": "", "reason": reason}]}, status=status)
