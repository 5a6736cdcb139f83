"""The clean and ocr stages: what they return, what a redelivery returns, and what one bad picture does."""

from __future__ import annotations

from uuid import UUID, uuid4

import msgspec
import pytest
from django.contrib.auth import get_user_model
from PIL import Image

from apps.sources import selectors
from apps.sources.models import Media, Post, PostImage
from tests.apps.sources.pictures import encoded, plain, png_that_claims, screenshot
from tests.apps.sources.servers import Server
from tests.factories import crawler_message
from tradebot.contracts.messages import CleanPost, CrawlerMessage, from_wire, to_wire
from workers.clean import clean
from workers.ocr import ocr

pytestmark = pytest.mark.django_db


def cleaned(*urls: str, **changes: object) -> CleanPost:
    kind = "image" if urls else "text"
    [post] = clean([crawler_message(type=kind, media_urls=list(urls), **changes)])
    assert isinstance(post, CleanPost)
    return post


@pytest.fixture
def pictures(server: Server, settings: object) -> Server:
    """A server whose pictures posts may name."""
    settings.MEDIA_ALLOW = [server.endpoint]  # type: ignore[attr-defined]
    return server


def test_a_clean_post_carries_its_ancestry() -> None:
    message = crawler_message(data="<b>Sample</b> news", author="sample_author")

    [post] = clean([message])

    assert (post.parent_id, post.root_id, post.seen_at) == (message.id, message.root_id, message.seen_at)
    assert (post.text, post.language, post.author, post.owner_id) == ("Sample news", "en", "sample_author", None)
    assert selectors.posts([UUID(post.post_id)])


def test_a_redelivered_sighting_gives_the_same_message_and_another_sighting_none() -> None:
    message = crawler_message()
    other = msgspec.structs.replace(message, root_id=str(uuid4()))

    assert clean([message]) == clean([message])
    assert clean([other]) == []


def test_duplicates_within_a_batch_take_nobody_along() -> None:
    message = crawler_message()
    other = msgspec.structs.replace(message, root_id=str(uuid4()))

    assert len(clean([message, other, crawler_message()])) == 2


def test_a_pushed_post_keeps_its_owner() -> None:
    user = get_user_model().objects.create_user("sample")

    assert cleaned(source=f"push:{user.pk}").owner_id == str(user.pk)


def test_a_picture_is_read_and_remembered(pictures: Server) -> None:
    post = cleaned(pictures.give("/a.png", screenshot(["Sample coin listed"])))

    [result] = ocr([post])

    assert (result.text, result.language, result.error) == ("Sample coin listed", "en", "")
    assert (result.post_id, result.index, result.count, result.source) == (post.post_id, 0, 1, post.source)
    assert (result.parent_id, result.root_id) == (post.id, post.root_id)
    assert result.boxes[0].text == "Sample coin listed"
    assert from_wire(type(result), to_wire(result)) == result
    assert PostImage.objects.get().media == Media.objects.get()


def test_a_redelivery_reads_nothing_again(pictures: Server) -> None:
    post = cleaned(pictures.give("/a.png", screenshot(["Sample coin listed"])))

    assert ocr([post]) == ocr([post])
    assert pictures.connections == 1


def test_a_worker_that_died_between_pictures_goes_on_where_it_was(pictures: Server) -> None:
    urls = [pictures.give(f"/{place}.png", screenshot([f"Sample number {place}"])) for place in range(3)]
    post = cleaned(*urls)
    before = ocr([post])
    PostImage.objects.filter(index=1).delete()
    pictures.seen.clear()

    assert ocr([post]) == before
    assert [path for path, _ in pictures.seen] == ["/1.png"]


def test_the_same_picture_in_two_posts_is_stored_once(pictures: Server) -> None:
    url = pictures.give("/a.png", plain())

    ocr([cleaned(url), cleaned(url)])

    assert (Media.objects.count(), PostImage.objects.count()) == (1, 2)


def test_every_picture_gives_a_result_and_failed_ones_say_why(pictures: Server, canary: Server) -> None:
    urls = [
        pictures.give("/good.png", screenshot(["Sample coin listed"])),
        pictures.url("/missing.png"),
        pictures.give("/page.png", b"<html>no picture</html>"),
        pictures.give("/bomb.png", png_that_claims(8_000, 8_000)),
        pictures.give("/huge.png", plain() + b"\x00" * 11_000_000),
        pictures.give("/broken.png", plain()[:40]),
        f"http://127.0.0.1:{canary.port}/",
        "file:///etc/passwd",
        "media:" + "0" * 64,
    ]

    results = ocr([cleaned(*urls)])

    assert [result.original_url for result in results] == urls
    assert [result.index for result in results] == list(range(len(urls)))
    assert results[0].text == "Sample coin listed"
    reasons = ["404", "web page", "pixels", "larger", "broken", "port|public", "http", "storage"]
    for result, reason in zip(results[1:], reasons, strict=True):
        assert result.error.startswith(f"media_urls[{result.index}]: ")
        assert any(part in result.error for part in reason.split("|"))
        assert result.text == ""
    assert canary.connections == 0


def test_a_bad_picture_of_one_post_does_not_touch_another(pictures: Server) -> None:
    bad, good = cleaned(pictures.url("/missing")), cleaned(pictures.give("/a.png", screenshot(["Sample coin listed"])))

    results = ocr([bad, good])

    assert [(result.post_id, bool(result.error)) for result in results] == [(bad.post_id, True), (good.post_id, False)]


def test_a_videos_preview_is_read_like_a_picture(pictures: Server) -> None:
    url = pictures.give("/preview.jpg", screenshot(["Sample coin listed"], kind="JPEG"))
    [post] = clean([crawler_message(type="video", media_urls=[url])])

    assert ocr([post])[0].text == "Sample coin listed"


def test_more_pictures_than_fetchers_come_back_in_order(pictures: Server) -> None:
    urls = [pictures.give(f"/{n}.png", encoded(Image.new("RGB", (30 + n, 10), "white"), "PNG")) for n in range(10)]
    posts = [cleaned(*urls), cleaned(*urls[:3])]

    results = ocr(posts)

    assert [(result.post_id, result.index) for result in results] == [
        *((posts[0].post_id, place) for place in range(10)),
        *((posts[1].post_id, place) for place in range(3)),
    ]
    assert list(PostImage.objects.filter(post_id=posts[0].post_id).values_list("media__width", flat=True)) == [
        30 + n for n in range(10)
    ]


def test_chinese_pictures_say_so() -> None:
    message: CrawlerMessage = crawler_message(data="样本币明天中午上线，今晚开放充值")

    assert clean([message])[0].language == "zh"
    assert Post.objects.get().language == "zh"
