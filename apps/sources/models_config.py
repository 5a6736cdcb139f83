"""Rows of the crawlers' running configuration and of the nodes that crawl."""

from __future__ import annotations

from django.db import models

_NAME_LENGTH = 200


class ConfigStatus(models.Model):
    """How the crawlers' configuration stands: one row. `loaded_at`: when the present one began to hold; `checked_at`:
    when its keeper was last found to say the same."""

    source = models.CharField(max_length=500, help_text="CRAWLER_CONFIG, without secrets.")
    revision = models.CharField(max_length=100, blank=True, default="")
    digest = models.CharField(max_length=64, blank=True, default="", help_text="SHA-256 of the present text.")
    sources = models.PositiveIntegerField(default=0)
    loaded_at = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True, default="", help_text="Why what stands there now is not in force.")
    failed_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0, help_text="Refused or unreadable configurations so far.")
    watcher = models.CharField(max_length=_NAME_LENGTH, blank=True, default="")

    class Meta:
        verbose_name = "crawler configuration"
        verbose_name_plural = "crawler configuration"

    def __str__(self) -> str:
        return self.source


class CrawlerNode(models.Model):
    """One crawl worker, as it was last heard of."""

    name = models.CharField(max_length=_NAME_LENGTH, unique=True)
    host = models.CharField(max_length=_NAME_LENGTH, blank=True, default="")
    queues = models.JSONField(default=list)
    plugins = models.JSONField(default=list)
    version = models.CharField(max_length=50, blank=True, default="")
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
