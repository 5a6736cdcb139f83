"""Where pictures of posts are kept: a folder, or an S3-compatible store (docs/sources.md)."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage

from tradebot import env

_STATIC = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
_PATIENCE = {"connect_timeout": 5, "read_timeout": 20, "retries": {"max_attempts": 2, "mode": "standard"}}


class ContentFolder(FileSystemStorage):
    """Files under MEDIA_ROOT whose name says what is in them: a name is written once, whole or not at all, whoever
    else writes it at the same time."""

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        """The name itself: what stands there already is the same."""
        return name

    def _save(self, name: str, content: File[bytes]) -> str:
        target = Path(self.path(name))
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write_whole(target, content)
        return name


def storages() -> dict[str, Any]:
    """Django's STORAGES by MEDIA_STORAGE: `folder` (the default) or `s3`."""
    kind = env.text("MEDIA_STORAGE", "folder")
    if kind == "folder":
        return {"default": {"BACKEND": "tradebot.storages.ContentFolder"}, "staticfiles": _STATIC}
    if kind == "s3":
        media = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": _s3_options()}
        return {"default": media, "staticfiles": _STATIC}
    raise ImproperlyConfigured(f"MEDIA_STORAGE must be folder or s3, not {kind!r}")


def secrets() -> list[str | None]:
    """What must stand in no log."""
    return [env.lookup("MEDIA_S3_ACCESS_KEY"), env.lookup("MEDIA_S3_SECRET_KEY")]


def _s3_options() -> dict[str, Any]:
    # Late: only who keeps pictures there pays for boto3.
    from botocore.config import Config

    endpoint = env.lookup("MEDIA_S3_ENDPOINT")
    if endpoint and (urlsplit(endpoint).scheme not in {"http", "https"} or not urlsplit(endpoint).hostname):
        raise ImproperlyConfigured(f"MEDIA_S3_ENDPOINT must be an http(s) address, not {endpoint!r}")
    style = env.text("MEDIA_S3_ADDRESSING", "path" if endpoint else "auto")
    return {
        "bucket_name": env.text("MEDIA_S3_BUCKET"),
        "endpoint_url": endpoint,
        "region_name": env.text("MEDIA_S3_REGION", "us-east-1"),
        "access_key": env.text("MEDIA_S3_ACCESS_KEY"),
        "secret_key": env.text("MEDIA_S3_SECRET_KEY"),
        "location": env.text("MEDIA_S3_PREFIX", "media"),
        "default_acl": None,
        "file_overwrite": True,
        "querystring_auth": True,
        "client_config": Config(s3={"addressing_style": style}, signature_version="s3v4", proxies={}, **_PATIENCE),
    }


def _write_whole(target: Path, content: File[bytes]) -> None:
    handle, temporary = tempfile.mkstemp(dir=target.parent)
    with os.fdopen(handle, "wb") as file:
        for piece in content.chunks():
            file.write(piece)
        file.flush()
        os.fsync(handle)
    Path(temporary).replace(target)
