"""Pictures of posts: fetched under their source's host rules, stored once each by the SHA-256 of their bytes."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from apps.sources import selectors
from apps.sources.adapters.guarded import BYTE_LIMIT, GuardedClient
from apps.sources.adapters.sniffing import other, sniff
from apps.sources.domain.picture import MEDIA_ID, MEDIA_PREFIX, Seen, StoredMedia
from tradebot.contracts.errors import InvalidField, PermanentError, TradebotError, TransientError

SOURCE_HOSTS = {
    "twitter": ("pbs.twimg.com", "video.twimg.com"),
    "telegram": ("*.telesco.pe", "*.cdn-telegram.org"),
}
"""Where the pictures of a source's posts lie; a post of it that names another host is not believed. Sources that are
not here have the hosts of their own settings (`media_hosts`), or any."""


def fetch(url: str, client: GuardedClient) -> bytes:
    """Bytes at `url`: http, https, or `media:<sha256>` for a picture that is stored. Raises PermanentError
    (UnsafeAddress among them) or TransientError; the text says what is wrong."""
    stored = MEDIA_ID.match(url)
    return _stored_bytes(stored.group(1)) if stored else client.get(url).body


def keep(data: bytes, seen: Seen) -> StoredMedia:
    """Keep the bytes of a picture that was decoded and found sound."""
    digest = hashlib.sha256(data).hexdigest()
    return StoredMedia(digest, seen.content_type, seen.width, seen.height, len(data), _keep(digest, data))


def keep_unread(data: bytes) -> str:
    """Keep the bytes of what begins like a picture, and return the `media:<sha256>` by which a post may name it; if it
    is sound the ocr stage finds out. Raises PermanentError, and keeps nothing, when it is no picture."""
    if sniff(data) is None:
        raise PermanentError(f"is {other(data)}; only PNG, JPEG, GIF and WebP pictures are read")
    digest = hashlib.sha256(data).hexdigest()
    _keep(digest, data)
    return MEDIA_PREFIX + digest


def media_client(hosts: Collection[str] = ()) -> GuardedClient:
    """The client for addresses that stand in posts. `hosts`: the only ones it contacts, any where there is none.
    Endpoints that an operator vouches for elsewhere do not count."""
    return GuardedClient(allow=selectors.allowed_media(), hosts=hosts)


class MediaClients:
    """A client for each set of host rules, with connections kept for as long as the block runs."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._clients: dict[frozenset[str], GuardedClient] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def of(self, source: str, channel: str) -> GuardedClient:
        """The client for pictures of this source's posts. Not safe to call from several threads; the client is."""
        hosts = frozenset(SOURCE_HOSTS.get(source) or selectors.media_hosts(source, channel))
        if hosts not in self._clients:
            self._clients[hosts] = self._stack.enter_context(media_client(hosts))
        return self._clients[hosts]


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
    try:
        return keep_unread(data)
    except PermanentError as error:
        raise InvalidField("media_urls", f"{path.name} {error}") from None


def _read_file(path: Path) -> bytes:
    # Opened without blocking and checked afterwards, so that a pipe or a device can't hold the importer.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise InvalidField("media_urls", f"{path.name} is not a file")
        return file.read(BYTE_LIMIT + 1)


def _stored_bytes(digest: str) -> bytes:
    try:
        with _reaching_storage(), default_storage.open(_path_of(digest), "rb") as file:
            return bytes(file.read(BYTE_LIMIT))
    except FileNotFoundError:
        raise PermanentError("is not in the media storage") from None


def _keep(digest: str, data: bytes) -> str:
    # Two workers with the same picture write the same bytes under the same name.
    name = _path_of(digest)
    with _reaching_storage():
        if not default_storage.exists(name):
            default_storage.save(name, ContentFile(data))
    return name


@contextmanager
def _reaching_storage() -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, TradebotError):
        raise
    except Exception as error:
        # A full disk, or whatever an S3 client raises: all of it may be over at the next try.
        raise TransientError(f"the media storage does not answer: {type(error).__name__}: {error}"[:500]) from error


def _path_of(digest: str) -> str:
    return f"{digest[:2]}/{digest[2:4]}/{digest}"
