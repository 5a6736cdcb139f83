"""Rows of stories: which posts tell one, and who was heard before."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from tradebot.contracts.values import Direction

_DIRECTIONS = [(direction.value, direction.value) for direction in Direction]


class Cluster(models.Model):
    """A story: posts that tell the same of one coin within a window. Its id is the uuid5 of its first signal; coins,
    event and beginning are that one's as well."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    type = models.CharField(max_length=10, choices=_DIRECTIONS)
    coins = ArrayField(models.CharField(max_length=20), default=list, blank=True)
    event = models.CharField(max_length=40, blank=True)
    opened_at = models.DateTimeField(db_index=True, help_text="The first post's own time.")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "story"
        verbose_name_plural = "stories"
        ordering = ("-opened_at", "-id")

    def __str__(self) -> str:
        return f"{self.type} {', '.join(self.coins)} {self.event}".strip()


class ClusterPost(models.Model):
    """A post of a story. `confidence` is its own, before anybody's support; `sketch` (uint32) and `vector` (float16)
    are what it is compared by. A copy says nothing of its own. A `place` may be taken twice: posts of a story that
    share no coin are placed at the same moment."""

    signal = models.OneToOneField(
        "signals.Signal", primary_key=True, on_delete=models.CASCADE, related_name="telling", editable=False
    )
    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="posts", db_index=False)
    voice = models.CharField(max_length=420, help_text="The channel, or the author where there is none.")
    confidence = models.FloatField()
    copy_of = models.UUIDField(null=True, blank=True, help_text="The signal whose text this post repeats.")
    numbers = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    sketch = models.BinaryField()
    vector = models.BinaryField(null=True, blank=True)
    place = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text="Its number among the posts of their own, or among one's copies; 0: not numbered.",
    )

    class Meta:
        verbose_name = "post of a story"
        verbose_name_plural = "posts of a story"
        ordering = ("cluster", "signal")
        indexes = (
            models.Index(fields=("cluster", "copy_of", "place"), name="signals_story_place"),
            models.Index(fields=("cluster", "voice"), name="signals_story_voice"),
        )

    def __str__(self) -> str:
        return self.voice


class Voice(models.Model):
    """Who was heard: since when, and how many of its posts were judged."""

    name = models.CharField(max_length=420, primary_key=True)
    first_seen = models.DateTimeField()
    posts = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
