"""The wrapping keys, from settings.CREDENTIAL_KEYS: the first wraps, all unwrap."""

from __future__ import annotations

from hashlib import sha256

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from tradebot.sealing.envelope import SealError


class FernetRing:
    """Wrapping keys as Fernet keys, newest first (Fernet is AES-128-CBC with HMAC-SHA256)."""

    def __init__(self, keys: list[str]) -> None:
        if not keys:
            raise ImproperlyConfigured("CREDENTIAL_KEYS is empty. Give at least one Fernet key, newest first.")
        self._fernet = MultiFernet([_fernet(key, place) for place, key in enumerate(keys, start=1)])
        self._newest = sha256(keys[0].encode()).hexdigest()[:8]

    @property
    def newest(self) -> str:
        """Eight characters that name the newest key without giving it away."""
        return self._newest

    def wrap(self, data_key: bytes) -> str:
        return self._fernet.encrypt(data_key).decode()

    def unwrap(self, wrapped: str) -> bytes:
        try:
            return self._fernet.decrypt(wrapped)
        except InvalidToken:
            raise SealError("no key in CREDENTIAL_KEYS unwraps this record; put the retired key back") from None


def ring() -> FernetRing:
    """The configured keys. Raises ImproperlyConfigured if there is none, or one is no Fernet key."""
    return FernetRing(list(settings.CREDENTIAL_KEYS))


def _fernet(key: str, place: int) -> Fernet:
    try:
        return Fernet(key)
    except ValueError:
        raise ImproperlyConfigured(
            f"Key {place} in CREDENTIAL_KEYS is no Fernet key: it must be 32 random bytes in URL-safe base64."
        ) from None
