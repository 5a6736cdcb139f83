"""Pictures are stored once, by what they are; local files only by an operator's hand."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from apps.sources.adapters import media
from apps.sources.adapters.guarded import BYTE_LIMIT, GuardedClient
from apps.sources.models import Source
from tests.apps.sources.pictures import PLAIN, plain
from tests.apps.sources.servers import Server
from tradebot.contracts.errors import InvalidField, PermanentError, UnsafeAddress


def files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def test_a_picture_is_kept_under_its_digest_and_found_by_it(media_root: Path) -> None:
    kept = media.keep(plain(), PLAIN)

    assert kept.sha256 == hashlib.sha256(plain()).hexdigest()
    assert (kept.width, kept.height, kept.bytes, kept.content_type) == (20, 10, len(plain()), "image/png")
    assert (media_root / kept.path).read_bytes() == plain()
    assert media.fetch(f"media:{kept.sha256}", GuardedClient()) == plain()


def test_the_same_picture_twice_is_one_file(media_root: Path) -> None:
    assert media.keep(plain(), PLAIN) == media.keep(plain(), PLAIN)
    assert len(files(media_root)) == 1


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


# --- the same picture, at once and at two addresses ------------------------------------------------------------------


def test_many_workers_with_the_same_picture_write_one_whole_file(media_root: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        digests = {kept.sha256 for kept in pool.map(lambda _: media.keep(plain(), PLAIN), range(32))}

    [file] = files(media_root)
    assert (file.read_bytes(), digests) == (plain(), {file.name})


def test_a_worker_that_dies_while_it_writes_leaves_no_half_picture(
    media_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Died(BaseException):
        """As SIGKILL would: no clean-up runs that the code itself does not do."""

    def dies(self: Path, target: Path) -> None:
        raise Died

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", dies)
        with pytest.raises(Died):
            media.keep(plain(), PLAIN)

    kept = media.keep(plain(), PLAIN)
    assert (media_root / kept.path).read_bytes() == plain()


@pytest.mark.django_db
def test_the_same_picture_at_two_addresses_is_stored_once(server: Server, settings: Any, media_root: Path) -> None:
    settings.MEDIA_ALLOW = [server.endpoint]
    with media.MediaClients() as clients:
        client = clients.of("push:somebody", "")
        for path in ("/a.png", "/b.jpg"):
            media.keep(media.fetch(server.give(path, plain()), client), PLAIN)

    assert len(files(media_root)) == 1


# --- host rules ------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("source", "url"),
    [
        ("twitter", "https://evil.example/a.png"),
        ("twitter", "https://pbs.twimg.com.evil.example/a.png"),
        ("twitter", "https://xpbs.twimg.com/a.png"),
        ("telegram", "https://telesco.pe/a.png"),
        ("telegram", "https://cdn4.telesco.pe.evil.example/a.png"),
        ("rss", "https://other.example/a.png"),
    ],
)
def test_a_picture_from_another_host_than_its_sources_is_refused(source: str, url: str) -> None:
    Source.objects.create(name="sample", kind="rss", config={"media_hosts": ["news.example"]})

    with media.MediaClients() as clients, pytest.raises(UnsafeAddress, match="not among"):
        media.fetch(url, clients.of(source, "sample"))


@pytest.mark.django_db
def test_a_redirect_obeys_the_sources_hosts_as_well(server: Server, settings: Any) -> None:
    settings.MEDIA_ALLOW = [server.endpoint]
    url = server.give("/a", status=302, Location="https://evil.example/a.png")

    with media.MediaClients() as clients, pytest.raises(UnsafeAddress, match="not among"):
        media.fetch(url, clients.of("twitter", ""))


def test_connections_are_kept_for_pictures_of_one_source() -> None:
    with media.MediaClients() as clients:
        assert clients.of("twitter", "a") is clients.of("twitter", "b")
        assert clients.of("twitter", "a") is not clients.of("telegram", "a")
