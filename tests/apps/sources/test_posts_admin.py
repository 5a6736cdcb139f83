"""What operators see of sources and posts."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from apps.sources import services
from apps.sources.adapters import media
from apps.sources.domain.picture import ImageRead, Reading
from apps.sources.models import Source
from tests.apps.sources.pictures import PLAIN, plain
from tests.factories import crawler_message
from tradebot.contracts.messages import Box

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> Client:
    user = get_user_model().objects.create_superuser("sample_admin", password="sample password")
    made = Client()
    made.force_login(user)
    return made


@pytest.fixture
def post() -> UUID:
    message = crawler_message(data="<script>alert(1)</script> words", type="image", media_urls=["https://a.example/1"])
    [recorded] = services.record_posts([message])
    line = Box(text="<b>line</b> in the picture", confidence=0.9, points=[(1, 2), (9, 2), (9, 8), (1, 8)])
    reading = Reading(line.text, 0.9, (line,), "sample")
    services.record_images([ImageRead(recorded.post.id, 0, "https://a.example/1", media.keep(plain(), PLAIN), reading)])
    return recorded.post.id


def test_a_post_shows_its_pictures_and_where_their_lines_stand(admin: Client, post: UUID) -> None:
    page = admin.get(f"/admin/sources/post/{post}/change/").content.decode()

    assert "/file/" in page
    assert "&lt;b&gt;line&lt;/b&gt; in the picture" in page
    assert "<script>alert(1)" not in page
    assert "0.90, at 1, 2" in page


def test_the_stored_picture_is_served_as_what_it_is(admin: Client, post: UUID) -> None:
    digest = media.keep(plain(), PLAIN).sha256

    answer = admin.get(f"/admin/sources/media/{digest}/file/")

    assert b"".join(answer.streaming_content) == plain()  # type: ignore[attr-defined]
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_strangers_do_not_get_pictures(post: UUID) -> None:
    digest = media.keep(plain(), PLAIN).sha256

    assert Client().get(f"/admin/sources/media/{digest}/file/").status_code == 302


@pytest.mark.parametrize("page", ["source", "post", "media", "source/add", "post/?q=words"])
def test_every_page_opens(admin: Client, post: UUID, page: str) -> None:
    Source.objects.create(name="sample-news", kind="rss", url="https://news.example/feed")

    assert admin.get(f"/admin/sources/{page}", follow=True).status_code == 200
