"""Rows of what posts were judged to mean: coins and their vectors, each analyzer's verdict, the signals they made."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from pgvector.django import HnswIndex, VectorField

from apps.signals.models_accuracy import (  # noqa: F401 - Django finds rows through this module
    AccuracyScore,
    Demotion,
    SignalAccuracy,
)
from apps.signals.models_clusters import Cluster, ClusterPost, Voice  # noqa: F401 - as above
from tradebot.contracts.values import Direction

DIRECTIONS = [(direction.value, direction.value) for direction in Direction]


class Coin(models.Model):
    """A coin of the catalogue. `vector` is the unit vector of its description, for nearest-coin search."""

    symbol = models.CharField(max_length=20, primary_key=True)
    name = models.CharField(max_length=80)
    aliases = models.JSONField(default=list, blank=True)
    description = models.TextField(blank=True)
    vector = VectorField(dimensions=384)
    embedder = models.CharField(max_length=80, help_text="Version of the embedder that made the vector.")

    class Meta:
        ordering = ("symbol",)
        indexes = (
            HnswIndex(
                name="signals_coin_vector", fields=["vector"], m=16, ef_construction=64, opclasses=["vector_cosine_ops"]
            ),
        )

    def __str__(self) -> str:
        return self.symbol


class Analysis(models.Model):
    """One analyzer's verdict on one post revision; `error` says why it gave none."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    post = models.ForeignKey("sources.Post", on_delete=models.CASCADE, related_name="+")
    analyzer = models.CharField(max_length=80)
    model_version = models.CharField(max_length=120)
    direction = models.CharField(max_length=10, choices=DIRECTIONS, default=Direction.NEUTRAL)
    confidence = models.FloatField(default=0)
    event = models.CharField(max_length=40, blank=True)
    evidence = models.JSONField(default=list, blank=True)
    error = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "analyses"
        ordering = ("-created_at",)
        constraints = (
            models.UniqueConstraint(fields=("post", "analyzer", "model_version"), name="signals_analysis_once"),
        )

    def __str__(self) -> str:
        return f"{self.analyzer}: {self.direction} {self.confidence:.2f}"


class Signal(models.Model):
    """What a post means for which coins. Its id is the uuid5 of the post (without revision) and the type."""

    id = models.UUIDField(primary_key=True, editable=False)
    post = models.ForeignKey("sources.Post", on_delete=models.CASCADE, related_name="+")
    type = models.CharField(max_length=10, choices=DIRECTIONS)
    confidence = models.FloatField()
    coins = ArrayField(models.CharField(max_length=20), default=list, blank=True)
    event = models.CharField(max_length=40, blank=True)
    evidence = models.JSONField(default=list, blank=True)
    sources = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    timestamp = models.DateTimeField(help_text="The post's own time.")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    versions = models.JSONField(default=dict, blank=True, help_text="Versions and weights of everything that judged.")
    mood = models.CharField(max_length=20, blank=True, default="", db_default="", help_text="How the post is meant.")
    call = models.JSONField(null=True, blank=True, help_text="The numbers of a trade call as they stand in the post.")
    cluster = models.ForeignKey(
        Cluster, null=True, blank=True, on_delete=models.SET_NULL, related_name="signals", verbose_name="story"
    )
    shadow = models.CharField(
        max_length=500,
        blank=True,
        default="",
        db_default="",
        help_text="Why nothing real may be ordered by it; blank: it may.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    dispatched_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-timestamp", "-id")
        constraints = (models.UniqueConstraint(fields=("post",), name="signals_one_a_post"),)
        indexes = (
            models.Index(fields=("-timestamp", "-id"), name="signals_signal_recent"),
            models.Index(fields=("owner", "-timestamp"), name="signals_signal_owner"),
            GinIndex(fields=("coins",), name="signals_signal_coins"),
            models.Index(
                fields=("created_at",), name="signals_signal_waiting", condition=models.Q(dispatched_at__isnull=True)
            ),
        )

    def __str__(self) -> str:
        return f"{self.type} {', '.join(self.coins)} {self.confidence:.2f}"
