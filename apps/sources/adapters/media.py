"""The media storage: pictures as files, once each, named by the SHA-256 of their bytes."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from apps.sources import selectors
from apps.sources.adapters.guarded import BYTE_LIMIT, GuardedClient
from apps.sources.adapters.images import Picture, decode, sniff
from apps.sources.domain.picture import MEDIA_ID, MEDIA_PREFIX, StoredMedia
from tradebot.contracts.errors import InvalidField, PermanentError


@dataclass(frozen=True, slots=True)
class Loaded:
    """A picture that is stored and decoded."""

    media: StoredMedia
    picture: Picture


def fetch(url: str, client: GuardedClient) -> bytes:
    """Bytes at `url`: http, https, or `media:<sha256>` for a picture that is stored. Raises PermanentError
    (UnsafeAddress among them) or TransientError; the text says what is wrong."""
    stored = MEDIA_ID.match(url)
    return _stored_bytes(stored.group(1)) if stored else client.get(url).body


def keep(data: bytes) -> Loaded:
    """Decode a picture and keep its bytes. Raises PermanentError, and keeps nothing, when it is no sound picture."""
    picture = decode(data)
    digest = hashlib.sha256(data).hexdigest()
    path = _keep(digest, data)
    return Loaded(StoredMedia(digest, picture.content_type, picture.width, picture.height, len(data), path), picture)


def media_client() -> GuardedClient:
    """The client for addresses that stand in posts. Endpoints that an operator vouches for elsewhere do not count."""
    return GuardedClient(allow=selectors.allowed_media())


def import_media(path: Path) -> str:
    """Copy an operator's local picture into the storage and return the `media:<sha256>` by which a post may name it.

    Raises InvalidField on `media_urls` when it is missing, too large or no picture.
    """
    try:
        data = _read_file(path)
    except OSError as error:
        raise InvalidField("media_urls", f"{path.name} can't be read: {error.strerror}") from None
    if len(data) > BYTE_LIMIT:
        raise InvalidField("media_urls", f"{path.name} is larger than {BYTE_LIMIT} bytes")
    if sniff(data) is None:
        raise InvalidField("media_urls", f"{path.name} is no PNG, JPEG, GIF or WebP picture")
    digest = hashlib.sha256(data).hexdigest()
    _keep(digest, data)
    return MEDIA_PREFIX + digest


def _read_file(path: Path) -> bytes:
    # Opened without blocking and checked afterwards, so that a pipe or a device can't hold the importer.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise InvalidField("media_urls", f"{path.name} is not a file")
        return file.read(BYTE_LIMIT + 1)


def _stored_bytes(digest: str) -> bytes:
    try:
        return (_root() / _path_of(digest)).read_bytes()
    except FileNotFoundError:
        raise PermanentError("is not in the media storage") from None


def _keep(digest: str, data: bytes) -> str:
    relative = _path_of(digest)
    target = _root() / relative
    if target.exists():
        return relative
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, temporary = tempfile.mkstemp(dir=target.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(handle)
    Path(temporary).replace(target)
    return relative


def _path_of(digest: str) -> str:
    return f"{digest[:2]}/{digest[2:4]}/{digest}"


def _root() -> Path:
    return Path(settings.MEDIA_ROOT)
