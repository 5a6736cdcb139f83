"""The admin's login: guessing a password is slow."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import structlog
from django.core.cache import cache
from django.core.exceptions import ValidationError
from redis.exceptions import RedisError
from rest_framework.throttling import BaseThrottle
from unfold.forms import AuthenticationForm

MOST_FAILURES = 10
MINUTES = 5

log = structlog.get_logger(__name__)


class LoginForm(AuthenticationForm):  # type: ignore[misc]
    """After MOST_FAILURES wrong passwords for one name from one address, that pair waits MINUTES. Without the cache
    nobody waits: operators must get in when Redis is down."""

    def clean(self) -> dict[str, Any]:
        if self._failures() >= MOST_FAILURES:
            raise ValidationError(f"Too many wrong passwords. Wait {MINUTES} minutes, then try again.")
        try:
            cleaned: dict[str, Any] = super().clean()
        except ValidationError:
            self._count_failure()
            raise
        return cleaned

    def _failures(self) -> int:
        try:
            return int(cache.get(self._key(), 0))
        except RedisError as error:
            log.warning("login_without_cache", error=type(error).__name__)
            return 0

    def _count_failure(self) -> None:
        try:
            cache.add(self._key(), 0, MINUTES * 60)
            cache.incr(self._key())
        except (RedisError, ValueError) as error:
            log.warning("login_without_cache", error=type(error).__name__)

    def _key(self) -> str:
        address = BaseThrottle().get_ident(self.request)
        whom = f"{address}|{str(self.data.get('username', '')).casefold()}"
        return f"login-failures:{sha256(whom.encode()).hexdigest()}"
