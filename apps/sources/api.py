"""REST of the sources app: read posts, and push new ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, mixins, parsers, serializers, status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.sources import selectors, services
from apps.sources.domain.identity import PUSH_PREFIX, post_id
from apps.sources.domain.intake import PUBLIC_SOURCES, read_crawler_message
from apps.sources.models import Post
from tradebot.contracts.errors import InvalidField
from tradebot.contracts.messages import CrawlerMessage
from tradebot.rest import TooLarge

MOST_POSTS = 50
BODY_LIMIT = 8 * 1024 * 1024
"""Bytes: room for MOST_POSTS of the largest texts, so that a text that is too long is named, not only the body."""
INGEST = "ingest"


class PostParser(parsers.BaseParser):
    """JSON of at most BODY_LIMIT bytes."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        body = stream.read(BODY_LIMIT + 1)
        if len(body) > BODY_LIMIT:
            raise TooLarge(BODY_LIMIT)
        try:
            return msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise exceptions.ParseError(f"The body is not JSON in UTF-8: {error}") from None


class PostSerializer(serializers.ModelSerializer[Post]):
    """A post as people and strategies see it."""

    type = serializers.ChoiceField(source="kind", choices=Post.Kind.choices)
    text = serializers.CharField(source="clean_text")
    timestamp = serializers.DateTimeField(source="posted_at")

    class Meta:
        model = Post
        fields = (
            "id",
            "source",
            "channel",
            "author",
            "native_id",
            "revision",
            "type",
            "text",
            "language",
            "url",
            "media_urls",
            "timestamp",
            "seen_at",
            "near_duplicate_of",
        )
        read_only_fields = fields


PUSHED_POST = {
    "type": "object",
    "required": ["id", "type", "data", "timestamp", "author"],
    "properties": {
        "id": {"type": "string", "maxLength": 200, "description": "The source's own id of the post."},
        "source": {"type": "string", "description": "twitter, telegram, rss or web: for tokens with the ingest scope."},
        "type": {"enum": ["text", "image", "video"]},
        "data": {"type": "string", "description": "The text, at most 100,000 bytes."},
        "timestamp": {"type": "string", "format": "date-time", "description": "When it was posted, with time zone."},
        "author": {"type": "string", "maxLength": 200},
        "channel": {"type": "string", "maxLength": 200},
        "media_urls": {"type": "array", "maxItems": 10, "items": {"type": "string", "maxLength": 2000}},
        "url": {"type": "string", "maxLength": 2000},
        "revision": {"type": "integer", "minimum": 0},
    },
}
"""What domain/intake.py reads, for the docs page."""
PUSH = {"application/json": {"oneOf": [PUSHED_POST, {"type": "array", "items": PUSHED_POST, "maxItems": MOST_POSTS}]}}


class AcceptedPostSerializer(serializers.Serializer[Any]):
    """Where a pushed post can be found, and the id that all that comes of it carries."""

    id = serializers.UUIDField()
    root_id = serializers.CharField()


class AcceptedSerializer(serializers.Serializer[Any]):
    """Answer to a push."""

    results = AcceptedPostSerializer(many=True)


class PostViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Post]):
    """Public posts and one's own."""

    queryset = Post.objects.all()
    serializer_class = PostSerializer
    parser_classes = (PostParser,)
    ordering = ("-seen_at",)

    def get_queryset(self) -> QuerySet[Post]:
        if getattr(self, "swagger_fake_view", False):
            return super().get_queryset().none()
        return selectors.visible_to(UUID(str(self.request.user.pk)))

    @extend_schema(request=PUSH, responses={202: AcceptedSerializer})
    def create(self, request: Request) -> Response:
        """Push one post, or a list of up to 50. It counts as X, Telegram, a feed or a page only from a token with the
        `ingest` scope; any other caller's post has the source `push:<user>` and reaches that user's strategies alone.
        """
        messages = _messages(request)
        services.push_posts(messages)
        results = [{"id": str(post_id(message)), "root_id": message.root_id} for message in messages]
        return Response({"results": results}, status=status.HTTP_202_ACCEPTED)


def _messages(request: Request) -> list[CrawlerMessage]:
    body = request.data
    if not isinstance(body, list):
        return [_message(body, request)]
    if not 1 <= len(body) <= MOST_POSTS:
        raise InvalidField("", f"Send 1 to {MOST_POSTS} posts at a time, not {len(body)}.")
    problems: dict[str, str] = {}
    messages: list[CrawlerMessage] = []
    for place, item in enumerate(body):
        try:
            messages.append(_message(item, request))
        except InvalidField as error:
            problems[f"{place}.{error.field}" if error.field else str(place)] = error.reason
    if problems:
        raise exceptions.ValidationError(problems)
    return messages


def _message(item: object, request: Request) -> CrawlerMessage:
    if not isinstance(item, dict):
        raise InvalidField("", "A post must be a JSON object.")
    own = f"{PUSH_PREFIX}{request.user.pk}"
    trusted = INGEST in getattr(request.auth, "scopes", ())
    message = read_crawler_message(
        item if "source" in item else {**item, "source": own},
        allowed_sources={*PUBLIC_SOURCES, own},
        now=timezone.now(),
        allow_media=selectors.allowed_media(),
    )
    return message if trusted else msgspec.structs.replace(message, source=own)


routes: list[tuple[str, type[PostViewSet], str]] = [("posts", PostViewSet, "post")]
