"""Pictures are stored once, by what they are; local files only by an operator's hand."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from apps.sources.adapters import media
from apps.sources.adapters.guarded import BYTE_LIMIT, GuardedClient
from tests.apps.sources.pictures import plain
from tests.apps.sources.servers import Server
from tradebot.contracts.errors import InvalidField, PermanentError, UnsafeAddress


def files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def test_a_picture_is_kept_under_its_digest_and_found_by_it(media_root: Path) -> None:
    kept = media.keep(plain()).media

    assert kept.sha256 == hashlib.sha256(plain()).hexdigest()
    assert (kept.width, kept.height, kept.bytes, kept.content_type) == (20, 10, len(plain()), "image/png")
    assert (media_root / kept.path).read_bytes() == plain()
    assert media.fetch(f"media:{kept.sha256}", GuardedClient()) == plain()


def test_the_same_picture_twice_is_one_file(media_root: Path) -> None:
    assert media.keep(plain()).media == media.keep(plain()).media
    assert len(files(media_root)) == 1


def test_what_is_no_picture_is_not_kept(media_root: Path) -> None:
    with pytest.raises(PermanentError):
        media.keep(b"<html>")

    assert not media_root.exists()


def test_an_operators_file_is_imported(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(plain())

    name = media.import_media(tmp_path / "a.png")

    assert media.fetch(name, GuardedClient()) == plain()


@pytest.mark.parametrize("what", ["missing", "folder", "text", "huge", "pipe"])
def test_what_cannot_be_imported_names_the_field(tmp_path: Path, what: str) -> None:
    path = tmp_path / what
    if what == "folder":
        path.mkdir()
    elif what == "text":
        path.write_text("words")
    elif what == "huge":
        path.write_bytes(plain() + b"\x00" * BYTE_LIMIT)
    elif what == "pipe":
        os.mkfifo(path)

    with pytest.raises(InvalidField) as caught:
        media.import_media(path)

    assert caught.value.field == "media_urls"
    assert str(tmp_path) not in caught.value.reason


def test_a_post_cannot_name_a_local_file_or_what_is_not_stored() -> None:
    for url in ("file:///etc/passwd", "/etc/passwd", "media:../../etc/passwd", "media:" + "0" * 64):
        with pytest.raises(PermanentError):
            media.fetch(url, media.media_client())


def test_what_an_operator_vouches_for_elsewhere_is_no_address_for_posts(server: Server, settings: object) -> None:
    settings.GUARDED_ALLOW = [server.endpoint]  # type: ignore[attr-defined]

    with pytest.raises(UnsafeAddress):
        media.fetch(server.give("/a.png", plain()), media.media_client())

    assert server.connections == 0
