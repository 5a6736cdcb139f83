"""Every address of the web process: the API of each app, the admin, the docs page and what a supervisor asks."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import TemplateView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.permissions import AllowAny
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import ViewSetMixin

from tradebot import health, metrics

ROOMS = ("sources", "signals", "strategies", "trading", "accounts")
"""Apps with an API, in the order of a post's way."""

handler404 = "tradebot.rest.not_found"
handler500 = "tradebot.rest.server_error"


def landing(request: HttpRequest) -> HttpResponse:
    """The page at `/`: where everything is."""
    return render(request, "landing.html", {"flower_url": settings.FLOWER_URL})


def _api() -> Iterator[URLPattern | URLResolver]:
    router = SimpleRouter(trailing_slash=False)
    for room in ROOMS:
        for prefix, view, basename in import_module(f"apps.{room}.api").routes:
            if issubclass(view, ViewSetMixin):
                router.register(prefix, view, basename)
            else:
                yield path(prefix, view.as_view(), name=basename)
    yield from router.urls


admin.autodiscover()
PUBLIC = {"permission_classes": [AllowAny], "authentication_classes": []}

urlpatterns = [
    path("", landing, name="landing"),
    path("favicon.ico", TemplateView.as_view(template_name="icon.svg", content_type="image/svg+xml")),
    path("healthz", health.healthz, name="alive"),
    path("readyz", health.readyz, name="ready"),
    path("metrics", metrics.metrics, name="metrics"),
    path("admin/", admin.site.urls),
    path("api/v1/", include(list(_api()))),
    path("api/schema/", SpectacularAPIView.as_view(**PUBLIC), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(**PUBLIC), name="docs"),
]
