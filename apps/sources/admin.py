"""Operators see what is watched, which posts came, and what was read in their pictures."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline

from apps.sources.models import Media, Post, PostImage, Source

_CONTENT_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


def _picture(media: Media | None, width: int) -> SafeString | str:
    if media is None:
        return "-"
    address = reverse("admin:sources_media_file", args=[media.pk])
    return format_html('<a href="{}"><img src="{}" width="{}" alt="" loading="lazy"></a>', address, address, width)


class _ReadOnly:
    """Rows of the pipeline: people look at them and never edit them."""

    def has_add_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        return False


@admin.register(Source)
class SourceAdmin(ModelAdmin):
    list_display = ("name", "kind", "enabled", "interval_seconds", "next_run_at", "last_run_at", "last_result", "error")
    list_filter = ("kind", "enabled")
    list_editable = ("enabled", "interval_seconds")
    search_fields = ("name", "url")
    readonly_fields = ("last_run_at", "last_result", "last_error", "failures", "state", "created_at")
    actions = ("run_now",)

    @admin.display(description="Last error")
    def error(self, source: Source) -> str:
        return source.last_error[:100]

    @admin.action(description="Run at the next tick", permissions=["change"])
    def run_now(self, request: HttpRequest, queryset: QuerySet[Source]) -> None:
        queryset.update(next_run_at=timezone.now())


class PostImageInline(_ReadOnly, TabularInline):
    model = PostImage
    extra = 0
    fields = ("index", "picture", "text", "confidence", "language", "lines", "engine", "error")
    readonly_fields = fields
    can_delete = False

    @admin.display(description="Picture")
    def picture(self, image: PostImage) -> SafeString | str:
        return _picture(image.media, 320)

    @admin.display(description="Lines and where they stand")
    def lines(self, image: PostImage) -> SafeString:
        rows = ((box["text"], f"{box['confidence']:.2f}", _corner(box["points"])) for box in image.boxes)
        return format_html_join("", "<div>{} <small>({}, at {})</small></div>", rows)


@admin.register(Post)
class PostAdmin(_ReadOnly, ModelAdmin):
    list_display = ("seen_at", "source", "channel", "author", "kind", "language", "beginning", "posted_at")
    list_filter = ("source", "kind", "language")
    search_fields = ("clean_text", "author", "channel", "native_id")
    date_hierarchy = "seen_at"
    list_select_related = ("owner",)
    inlines = (PostImageInline,)

    @admin.display(description="Text")
    def beginning(self, post: Post) -> str:
        return post.clean_text[:100]


@admin.register(Media)
class MediaAdmin(_ReadOnly, ModelAdmin):
    list_display = ("sha256", "content_type", "width", "height", "bytes", "created_at", "preview")
    list_filter = ("content_type",)
    search_fields = ("sha256",)
    readonly_fields = ("preview",)

    @admin.display(description="Picture")
    def preview(self, media: Media) -> SafeString | str:
        return _picture(media, 240)

    def get_urls(self) -> list[URLPattern]:
        file = path("<str:sha256>/file/", self.admin_site.admin_view(self.file), name="sources_media_file")
        urls: list[URLPattern] = [file, *super().get_urls()]
        return urls

    def file(self, request: HttpRequest, sha256: str) -> HttpResponseBase:
        """The stored picture, for people who may see it; a browser must not guess another type for it."""
        media = Media.objects.filter(pk=sha256).first()
        if media is None or not self.has_view_permission(request, media):
            raise Http404
        content_type = media.content_type if media.content_type in _CONTENT_TYPES else "application/octet-stream"
        stored = Path(settings.MEDIA_ROOT) / media.path
        if not stored.is_file():
            raise Http404
        return FileResponse(
            stored.open("rb"),
            content_type=content_type,
            headers={"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"},
        )


def _corner(points: list[list[float]]) -> str:
    return f"{points[0][0]:.0f}, {points[0][1]:.0f}" if points else "-"
