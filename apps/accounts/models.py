"""Rows of who may use tradebot: users, their API tokens (hashed) and their exchange credentials (sealed)."""

from __future__ import annotations

import uuid
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone


def is_time_zone(name: str) -> None:
    """Raise ValidationError unless `name` is an IANA time zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValidationError(f"{name!r} is no IANA time zone; write it like Europe/Berlin or UTC.") from None


class User(AbstractUser):
    """A person. `time_zone` is what their strategies' time windows mean unless they say otherwise."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    time_zone = models.CharField(max_length=64, default="UTC", validators=[is_time_zone])


class Scope(models.TextChoices):
    """What a token may do beyond acting for its own user."""

    INGEST = "ingest", "Post as any source (operators only)"


class ApiToken(models.Model):
    """One machine's way in. Only the sha256 of the token is kept; `prefix` lets its owner recognise it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=20, choices=Scope.choices), default=list, blank=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API token"
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def usable(self) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and self.expires_at > timezone.now()


class CredentialStatus(models.TextChoices):
    """PENDING until a worker has asked the venue."""

    PENDING = "pending", "Pending"
    ACTIVE = "active", "Active"
    REFUSED = "refused", "Refused"


class Credential(models.Model):
    """One account at one venue. `envelope` holds key and secret, sealed for exactly this row (domain/envelope.py)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="credentials")
    venue = models.SlugField(max_length=40)
    label = models.CharField(max_length=80, blank=True)
    status = models.CharField(max_length=8, choices=CredentialStatus.choices, default=CredentialStatus.PENDING)
    status_reason = models.CharField(max_length=300, blank=True)
    key_hint = models.CharField(max_length=4, editable=False, help_text="The last four characters of the API key.")
    envelope = models.JSONField(editable=False)
    opens_account = models.BooleanField(
        default=False,
        editable=False,
        help_text="We made the keys: a worker opens the paper account they belong to.",
    )
    is_default = models.BooleanField(default=False, help_text="Used by strategies that name no credential.")
    created_at = models.DateTimeField(auto_now_add=True)
    checked_at = models.DateTimeField(null=True, blank=True, editable=False)
    deleted_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="The keys are gone; the row stays for the orders that name it."
    )

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("user",), condition=models.Q(is_default=True), name="accounts_credential_one_default"
            ),
        )
        indexes = (
            models.Index(
                fields=("created_at",), name="accounts_credential_pending", condition=models.Q(status="pending")
            ),
        )

    def __str__(self) -> str:
        return f"{self.venue} …{self.key_hint}"
