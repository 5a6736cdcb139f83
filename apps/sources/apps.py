"""Names the sources app to Django."""

from __future__ import annotations

from django.apps import AppConfig


class SourcesConfig(AppConfig):
    name = "apps.sources"
    label = "sources"
    verbose_name = "Sources and posts"
    default_auto_field = "django.db.models.BigAutoField"
