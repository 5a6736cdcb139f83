"""Rows of the sources app: what is watched, what was posted there, and the pictures in it."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.sources.models_config import ConfigStatus, CrawlerNode  # noqa: F401 - Django finds rows through this module
from apps.sources.models_telegram import TelegramSession  # noqa: F401 - as above

_SHA256_LENGTH = 64
_NAME_LENGTH = 200


class Source(models.Model):
    """One thing to watch. `kind` names the crawler plugin; `state` is what its `fetch` wants back next time, and
    `listen_state` what its `listen` does. The lease: who fetches it just now, and until when nobody else may."""

    class ManagedBy(models.TextChoices):
        """Who made the row: an operator in the admin, or the configuration that is kept in a file or in etcd."""

        ADMIN = "", "admin"
        FILE = "file"
        ETCD = "etcd"

    name = models.CharField(max_length=_NAME_LENGTH, unique=True)
    kind = models.CharField(max_length=50, help_text="Name of the crawler plugin, for example rss.")
    url = models.CharField(max_length=2000, blank=True, default="")
    config = models.JSONField(
        default=dict, blank=True, help_text="Settings of the plugin, as JSON; secrets only as env:NAME or file:PATH."
    )
    managed_by = models.CharField(max_length=10, choices=ManagedBy, blank=True, default=ManagedBy.ADMIN)
    enabled = models.BooleanField(default=True)
    interval_seconds = models.PositiveIntegerField(default=60, validators=[MinValueValidator(1)])
    next_run_at = models.DateTimeField(default=timezone.now, db_index=True)
    last_run_at = models.DateTimeField(null=True, blank=True)
    last_result = models.CharField(max_length=200, blank=True, default="")
    last_error = models.TextField(blank=True, default="")
    failures = models.PositiveIntegerField(default=0, help_text="Failed runs in a row; the pause grows with it.")
    state = models.JSONField(default=dict, blank=True, help_text="Kept by the plugin: ETag, Last-Modified, watermarks.")
    throttled_until = models.DateTimeField(null=True, blank=True, help_text="The source asked not to be asked before.")
    lag_last_seconds = models.FloatField(null=True, blank=True, help_text="Posted to seen, of the last post that came.")
    lag_p50_seconds = models.FloatField(null=True, blank=True, help_text="Median of the last crawl that brought posts.")
    notes = models.JSONField(default=dict, blank=True, help_text="What its plugin says, by account or channel.")
    leased_by = models.CharField(max_length=_NAME_LENGTH, blank=True, default="")
    leased_until = models.DateTimeField(null=True, blank=True)
    listen_state = models.JSONField(default=dict, blank=True, help_text="Kept by the plugin for what it listens to.")
    listening_since = models.DateTimeField(null=True, blank=True, help_text="Empty while nobody listens.")
    listen_error = models.TextField(blank=True, default="", help_text="Why its last connection ended.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Post(models.Model):
    """One revision of one post. `id` is the uuid5 of (source, channel, native_id, revision), `story_id` of the same
    without the revision; `channel` is empty where the source's ids are unique by themselves."""

    class Kind(models.TextChoices):
        TEXT = "text"
        IMAGE = "image"
        VIDEO = "video"

    id = models.UUIDField(primary_key=True, editable=False)
    source = models.CharField(max_length=_NAME_LENGTH)
    channel = models.CharField(max_length=_NAME_LENGTH, blank=True, default="")
    author = models.CharField(max_length=_NAME_LENGTH)
    native_id = models.CharField(max_length=_NAME_LENGTH)
    revision = models.BigIntegerField(default=0)
    kind = models.CharField(max_length=5, choices=Kind.choices, default=Kind.TEXT)
    url = models.CharField(max_length=2000, blank=True, default="")
    raw_text = models.TextField(blank=True, default="")
    clean_text = models.TextField(blank=True, default="")
    language = models.CharField(max_length=8, default="und")
    media_urls = models.JSONField(default=list, blank=True)
    posted_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    root_id = models.CharField(max_length=_NAME_LENGTH)
    story_id = models.UUIDField(db_index=True)
    simhash = models.BigIntegerField(default=0)
    bands = ArrayField(models.IntegerField(), default=list, blank=True, editable=False)
    near_duplicate_of = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="near_duplicates"
    )
    owner = models.ForeignKey(
        "accounts.User", null=True, blank=True, on_delete=models.CASCADE, related_name="pushed_posts"
    )
    deleted_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was seen that its source shows it no more."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-seen_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["source", "channel", "native_id", "revision"], name="post_natural_key"),
        ]
        indexes = [
            models.Index(fields=["-seen_at", "-id"], name="post_newest_first"),
            GinIndex(
                fields=["bands"],
                name="post_heads_by_band",
                fastupdate=False,
                condition=Q(near_duplicate_of__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source}:{self.channel or self.author}/{self.native_id}"


class Deletion(models.Model):
    """A post that its source no longer shows, in every revision: those that are recorded, and those that come later."""

    story_id = models.UUIDField(primary_key=True, editable=False)
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.story_id)


class Media(models.Model):
    """One stored picture, once, by the SHA-256 of its bytes. `path` is relative to MEDIA_ROOT; sizes in pixels."""

    sha256 = models.CharField(primary_key=True, max_length=_SHA256_LENGTH, editable=False)
    content_type = models.CharField(max_length=50)
    width = models.PositiveIntegerField(default=0)
    height = models.PositiveIntegerField(default=0)
    bytes = models.PositiveBigIntegerField(default=0)
    path = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]
        verbose_name_plural = "media"

    def __str__(self) -> str:
        return self.sha256


class PostImage(models.Model):
    """The picture at `index` of a post and what was read in it; `error` says why nothing could be read."""

    post = models.ForeignKey(Post, on_delete=models.CASCADE, related_name="images")
    index = models.PositiveSmallIntegerField()
    url = models.CharField(max_length=2000)
    media = models.ForeignKey(Media, null=True, blank=True, on_delete=models.PROTECT, related_name="post_images")
    text = models.TextField(blank=True, default="")
    confidence = models.FloatField(default=0.0)
    language = models.CharField(max_length=8, default="und")
    boxes = models.JSONField(default=list, blank=True)
    engine = models.CharField(max_length=50, blank=True, default="")
    error = models.CharField(max_length=500, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["post", "index"]
        constraints = [models.UniqueConstraint(fields=["post", "index"], name="one_image_per_index")]

    def __str__(self) -> str:
        return f"{self.post_id} #{self.index}"
