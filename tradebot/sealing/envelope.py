"""Sealing of secrets: AES-256-GCM with a data key per record, bound to the record it belongs to."""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tradebot.contracts.errors import PermanentError

VERSION = 1
NONCE_BYTES = 12
KEY_BITS = 256

Envelope = dict[str, str | int]
"""`{v, kid, dek, nonce, ct}`: version, wrapping key's id, wrapped data key, nonce and ciphertext (base64)."""


class SealError(PermanentError):
    """A sealed value can't be opened: wrong record, unknown wrapping key, or changed bytes."""


class Secret:
    """A value that never shows itself: repr, str and format are masked, pickling is refused. `reveal()` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(****)"

    def __str__(self) -> str:
        return "****"

    def __format__(self, spec: str) -> str:
        return format("****", spec)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret can't be pickled; pass the credential's id instead")


@dataclass(frozen=True, slots=True)
class Record:
    """Which field of which row a sealed value belongs to."""

    model: str
    field: str
    user: str
    pk: str

    def aad(self) -> bytes:
        """What the ciphertext is bound to; no part may hold the separator."""
        parts = (f"v{VERSION}", self.model, self.field, self.user, self.pk)
        if any("|" in part for part in parts):
            raise SealError("a record's identity can't contain '|'")
        return "|".join(parts).encode()


class KeyRing(Protocol):
    """The keys that wrap data keys. `wrap` must use the newest one, `unwrap` must accept every one that is known
    and raise SealError for others; `newest` is the newest one's id."""

    @property
    def newest(self) -> str: ...
    def wrap(self, data_key: bytes) -> str: ...
    def unwrap(self, wrapped: str) -> bytes: ...


def seal(plain: str, record: Record, ring: KeyRing) -> Envelope:
    """Encrypt `plain` under a fresh data key, so that only `record` can open it."""
    data_key, nonce = AESGCM.generate_key(KEY_BITS), os.urandom(NONCE_BYTES)
    sealed = AESGCM(data_key).encrypt(nonce, plain.encode(), record.aad())
    return {"v": VERSION, "kid": ring.newest, "dek": ring.wrap(data_key), "nonce": _text(nonce), "ct": _text(sealed)}


def unseal(envelope: Mapping[str, str | int], record: Record, ring: KeyRing) -> Secret:
    """The plain value. Raises SealError if the envelope was changed or belongs to another record."""
    if envelope.get("v") != VERSION:
        raise SealError(f"envelope version {envelope.get('v')!r} is unknown")
    data_key = ring.unwrap(str(envelope["dek"]))
    try:
        plain = AESGCM(data_key).decrypt(_bytes(envelope["nonce"]), _bytes(envelope["ct"]), record.aad())
    except InvalidTag:
        raise SealError(f"the sealed {record.field} does not belong to {record.model} {record.pk}") from None
    return Secret(plain.decode())


def rewrap(envelope: Mapping[str, str | int], ring: KeyRing) -> Envelope:
    """The same value with its data key under the newest wrapping key; the data itself is not touched."""
    return {**envelope, "kid": ring.newest, "dek": ring.wrap(ring.unwrap(str(envelope["dek"])))}


def _text(raw: bytes) -> str:
    return b64encode(raw).decode()


def _bytes(text: str | int) -> bytes:
    return b64decode(str(text))
