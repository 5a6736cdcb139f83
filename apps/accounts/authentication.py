"""Who is calling: `Authorization: Token …`.

Apart from api.py because Django REST framework loads it while its own views are being imported.
"""

from __future__ import annotations

from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request

from apps.accounts import services
from apps.accounts.models import ApiToken, User


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Token …`. `request.auth` is the ApiToken, whose `scopes` say what it may do beyond its user."""

    keyword = "Token"

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """None when the header is absent or of another kind; AuthenticationFailed when its token is no good."""
        kind, _, plain = get_authorization_header(request).partition(b" ")
        if kind.lower() != self.keyword.lower().encode():
            return None
        token = services.use_token(plain=plain.strip().decode("latin-1"))
        if token is None:
            raise exceptions.AuthenticationFailed("The token is unknown, expired or revoked; ask for a new one.")
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return self.keyword
