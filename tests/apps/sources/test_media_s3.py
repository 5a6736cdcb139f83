"""Pictures in an S3-compatible store: a real one (moto's server), in a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse

from apps.sources import services
from apps.sources.adapters import media
from apps.sources.adapters.guarded import GuardedClient
from apps.sources.models import Media
from tests.apps.sources.pictures import PLAIN, plain
from tradebot import storages
from tradebot.contracts.errors import PermanentError, TransientError

BUCKET = "sample-media"
KEYS = {"MEDIA_S3_ACCESS_KEY": "sample-access", "MEDIA_S3_SECRET_KEY": "sample-secret"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            while "Running on" not in (line := process.stderr.readline()):
                assert line, "the S3 server ended"
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest.fixture
def bucket(s3: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty bucket, and the settings that an operator would give for it."""
    keys = {"aws_access_key_id": "sample-access", "aws_secret_access_key": "sample-secret"}
    found = boto3.resource("s3", endpoint_url=s3, region_name="us-east-1", **keys).Bucket(BUCKET)
    found.create()
    found.objects.all().delete()
    names = {"MEDIA_STORAGE": "s3", "MEDIA_S3_BUCKET": BUCKET, "MEDIA_S3_ENDPOINT": s3, **KEYS}
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    settings.STORAGES = storages.storages()
    return found


def names(bucket: Any) -> list[str]:
    return [item.key for item in bucket.objects.all()]


def test_a_picture_is_kept_in_the_bucket_and_found_by_its_digest(bucket: Any) -> None:
    kept = media.keep(plain(), PLAIN)

    assert names(bucket) == [f"media/{kept.path}"]
    assert media.fetch(f"media:{kept.sha256}", GuardedClient()) == plain()


def test_many_workers_with_the_same_picture_keep_one_object(bucket: Any) -> None:
    with ThreadPoolExecutor(8) as pool:
        digests = {kept.sha256 for kept in pool.map(lambda _: media.keep(plain(), PLAIN), range(16))}

    assert len(digests) == len(names(bucket)) == 1


def test_a_picture_that_is_not_there_is_said_to_be_missing(bucket: Any) -> None:
    with pytest.raises(PermanentError, match="not in the media storage"):
        media.fetch("media:" + "0" * 64, GuardedClient())


@pytest.mark.django_db
def test_the_admin_shows_it(bucket: Any, client: Client) -> None:
    kept = media.keep(plain(), PLAIN)
    services.Media.objects.create(sha256=kept.sha256, content_type=kept.content_type, path=kept.path)
    client.force_login(get_user_model().objects.create_superuser("boss@sample.example", password="sample"))

    answer = client.get(reverse("admin:sources_media_file", args=[kept.sha256]))

    assert b"".join(answer.streaming_content) == plain()  # type: ignore[attr-defined]
    default_storage.delete(kept.path)
    assert client.get(reverse("admin:sources_media_file", args=[Media.objects.get().pk])).status_code == 404


def test_a_store_that_is_away_is_tried_again_and_tells_no_key(
    bucket: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDIA_S3_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    settings.STORAGES = storages.storages()

    with pytest.raises(TransientError) as caught:
        media.keep(plain(), PLAIN)

    assert "does not answer" in str(caught.value)
    assert not any(key in str(caught.value) for key in KEYS.values())


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MEDIA_STORAGE", "tape", "folder or s3"),
        ("MEDIA_S3_ENDPOINT", "file:///etc", "http"),
        ("MEDIA_S3_BUCKET", "", "MEDIA_S3_BUCKET"),
    ],
)
def test_wrong_settings_say_what_is_right(
    bucket: Any, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ImproperlyConfigured, match=said):
        storages.storages()


def test_keys_may_come_from_files_and_are_kept_out_of_logs(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "key").write_text("sample-from-file\n")
    monkeypatch.setenv("MEDIA_S3_SECRET_KEY_FILE", str(tmp_path / "key"))

    assert "sample-from-file" in storages.secrets()
