"""Operators see what is watched, which posts came, and what was read in their pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.files.storage import default_storage
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline

from apps.sources import (
    config_admin,  # noqa: F401 - Django looks for pages in this module
    crawl_services,
    leases,
)
from apps.sources.adapters.registry import wrong_settings
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


class SourceForm(forms.ModelForm[Source]):
    """Settings that the plugin would refuse are refused here, each by its name."""

    def clean(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().clean() or {}
        kind, config = fields.get("kind", self.instance.kind), fields.get("config", self.instance.config)
        if not isinstance(config, dict):
            raise forms.ValidationError({"config": "must be a JSON object, like {}"})
        for error in wrong_settings(kind, config):
            field, _, key = error.field.partition(".")
            self.add_error(field if field in self.fields else None, f"{key}: {error.reason}" if key else error.reason)
        return fields


@admin.register(Source)
class SourceAdmin(ModelAdmin):
    form = SourceForm
    list_display = (
        *("name", "kind", "enabled", "interval_seconds", "next_run_at", "last_run_at", "last_result", "lag", "error"),
        *("remarks", "throttled_until", "fetching", "listening_since"),
    )
    list_filter = ("kind", "enabled", "managed_by")
    search_fields = ("name", "url")
    fields = (
        *("name", "kind", "url", "config", "enabled", "interval_seconds", "next_run_at", "managed_by"),
        *("last_run_at", "last_result", "last_error", "failures", "throttled_until", "fetching", "leased_until"),
        *("lag_last_seconds", "lag_p50_seconds", "notes", "state"),
        *("listening_since", "listen_error", "listen_state", "created_at"),
    )
    readonly_fields = (*fields[7:],)
    actions = ("run_now", "enable", "disable")

    def get_readonly_fields(self, request: HttpRequest, obj: Source | None = None) -> Sequence[str]:
        """What a configuration manages would only be changed back."""
        managed = ("name", "kind", "url", "config", "enabled", "interval_seconds")
        return (*managed, *self.readonly_fields) if obj and obj.managed_by else self.readonly_fields

    @admin.display(description="Last error")
    def error(self, source: Source) -> str:
        return "; ".join(filter(None, (source.last_error, source.listen_error)))[:100]

    @admin.display(description="Notes")
    def remarks(self, source: Source) -> str:
        return "; ".join(f"{name}: {note}" for name, note in source.notes.items())[:100]

    @admin.display(description="Lag p50", ordering="lag_p50_seconds")
    def lag(self, source: Source) -> str:
        return "-" if source.lag_p50_seconds is None else f"{source.lag_p50_seconds:.1f} s"

    @admin.display(description="Fetched by", ordering="leased_by")
    def fetching(self, source: Source) -> str:
        running = source.leased_until is not None and source.leased_until > timezone.now()
        return leases.node_of(source.leased_by) or source.leased_by if running else "-"

    @admin.action(description="Crawl now", permissions=["change"])
    def run_now(self, request: HttpRequest, queryset: QuerySet[Source]) -> None:
        count = crawl_services.crawl_now(names=_names(queryset), now=timezone.now())
        self.message_user(request, f"{count} due at the next tick, within five seconds")

    @admin.action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Source]) -> None:
        self._switch(request, queryset, on=True)

    @admin.action(description="Disable", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Source]) -> None:
        self._switch(request, queryset, on=False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[Source], *, on: bool) -> None:
        count = crawl_services.switch(names=_names(queryset.filter(managed_by="")), on=on)
        self.message_user(request, f"{count} changed")
        if managed := _names(queryset.exclude(managed_by="")):
            told = f"{', '.join(managed)}: managed by the crawler configuration; change it there"
            self.message_user(request, told, messages.WARNING)


def _names(sources: QuerySet[Source]) -> list[str]:
    return list(sources.values_list("name", flat=True))


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
    list_display = (
        *("seen_at", "source", "channel", "author", "kind", "language", "beginning", "posted_at", "deleted_at"),
    )
    list_filter = ("source", "kind", "language", ("deleted_at", admin.EmptyFieldListFilter))
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
        try:
            stored = default_storage.open(media.path, "rb")
        except FileNotFoundError:
            raise Http404 from None
        return FileResponse(
            stored,
            content_type=content_type,
            headers={"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"},
        )


def _corner(points: list[list[float]]) -> str:
    return f"{points[0][0]:.0f}, {points[0][1]:.0f}" if points else "-"
