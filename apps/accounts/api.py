"""REST of accounts: who a token belongs to, and exchange credentials whose secrets only go in."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import mixins, serializers
from rest_framework.serializers import BaseSerializer

from apps.accounts import services
from apps.accounts.models import Credential
from apps.accounts.selectors import PAPER
from apps.exchanges import selectors as venues
from tradebot.contracts.errors import InvalidField
from tradebot.rest import Owned, OwnedReadOnlyViewSet


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the docs page describes TokenAuthentication."""

    target_class = "apps.accounts.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        described = "`Token ` and the token, as `manage.py trader` or the admin gave it."
        return {"type": "apiKey", "in": "header", "name": "Authorization", "description": described}


class CredentialSerializer(serializers.ModelSerializer[Credential]):
    """Keys go in and never come out."""

    venue = serializers.CharField(max_length=40, help_text="`paper`, or the name of an exchange.")
    api_key = serializers.CharField(write_only=True, required=False, max_length=500, trim_whitespace=True)
    secret = serializers.CharField(
        write_only=True, required=False, max_length=5000, style={"input_type": "password"}, trim_whitespace=True
    )

    passphrase = serializers.CharField(
        write_only=True,
        required=False,
        max_length=200,
        style={"input_type": "password"},
        help_text="Of an OKX key; leave it out for other exchanges.",
    )

    class Meta:
        model = Credential
        fields = (
            "id",
            "venue",
            "label",
            "api_key",
            "secret",
            "passphrase",
            "status",
            "status_reason",
            "key_hint",
            "is_default",
            "created_at",
        )
        read_only_fields = ("id", "status", "status_reason", "key_hint", "is_default", "created_at")

    def validate_venue(self, name: str) -> str:
        known = [venue.name for venue in venues.enabled_venues()]
        if name not in known:
            raise serializers.ValidationError(f"{name!r} is not enabled here; choose from {', '.join(known)}.")
        return name

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        missing = [name for name in ("api_key", "secret") if name not in attrs]
        if missing and (len(missing) == 1 or attrs["venue"] != PAPER):
            raise InvalidField(missing[0], "is required; only a paper account can be opened without keys")
        return attrs

    def create(self, validated_data: dict[str, Any]) -> Credential:
        if "api_key" not in validated_data:
            return services.request_paper_account(user=validated_data["user"], label=validated_data.get("label", ""))
        return services.save_credential(**validated_data)


class CredentialViewSet(mixins.CreateModelMixin, mixins.DestroyModelMixin, OwnedReadOnlyViewSet[Credential]):
    """Accounts at exchanges. `POST {"venue": "paper"}` opens a paper account; a new credential is `pending` until a
    worker has checked it with the exchange."""

    queryset = Credential.objects.filter(deleted_at=None)
    serializer_class = CredentialSerializer
    ordering = ("-created_at",)

    def perform_create(self, serializer: BaseSerializer[Credential]) -> None:
        serializer.save(user=self.request.user)

    def perform_destroy(self, instance: Credential) -> None:
        services.delete_credential(credential_id=instance.pk)


routes: list[tuple[str, type[Owned[Any]], str]] = [("credentials", CredentialViewSet, "credential")]
