"""Every recorded feed reads as its leading comment says, and its entries become the posts that it describes."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.sources.adapters.feed_reader import read_feed
from apps.sources.adapters.rss import FeedCrawler
from tests.outside.feeds.__main__ import RECORDINGS
from tests.outside.launch import launched
from tradebot.contracts.messages import CrawlerMessage

SHARED = Path(os.environ.get("TRADEBOT_SHARED_DATA", "../shared/data")) / "crawl" / "feedparser_tests" / "wellformed"
BASE = "http://127.0.0.1:8097/"
EXPECT = re.compile(rb"Expect:\s*(.*?)\s*(?:-->|\n)")
LEFT_OUT = {
    "entry_id_no_normalization_4.xml": "our entries have a base address, which lower-cases the scheme of an id",
    "entry_id_with_attributes.xml": "our entries have a base address, against which a relative id is resolved",
    "item_description_not_a_doctype.xml": "our entries have a base address, and links in the text are resolved",
    "entry_link_no_href_link_priority.xml": "the released feedparser itself differs from what its repository expects",
    "entry_link_rel_enclosure_no_href.xml": "the released feedparser itself differs from what its repository expects",
}
"""Beside those that expect something of the feed and not of an entry (`feed[...]`, `version`): posts are made of
entries, and the feed's own title, image or cloud is nowhere used."""


class Has(dict[str, Any]):
    """What some recordings ask by the name that dictionaries had in Python 2."""

    has_key = dict.__contains__


def expected(path: Path) -> str:
    found = EXPECT.search(path.read_bytes().replace(b"\x00", b""))
    assert found, f"{path.name} does not say what it expects"
    return found[1].decode("utf-8", "replace").removeprefix("not bozo and ")


def of_entries(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*.xml")) if "entries[0]" in expected(path)]


def holds(path: Path) -> bool:
    entries = read_feed(path.read_bytes(), "", BASE)
    code = ast.unparse(ast.parse(expected(path).replace("entries[0].has_key(", "Has(entries[0]).has_key(")))
    return bool(eval(code, {"entries": entries, "Has": Has}))


@pytest.mark.parametrize("path", of_entries(RECORDINGS), ids=lambda path: path.stem)
def test_our_own_recordings_read_as_expected(path: Path) -> None:
    assert holds(path)


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"shared feed recordings are not at {SHARED}")
def test_the_shared_recordings_read_as_expected() -> None:
    wrong = {path.name for path in of_entries(SHARED) if not holds(path)}

    assert wrong == LEFT_OUT.keys()
    assert len(of_entries(SHARED)) == 253


@pytest.fixture(scope="module")
def feeds() -> Iterator[str]:
    with launched("feeds") as address:
        yield address


def posts(feeds: str, settings: Any, path: str) -> list[CrawlerMessage]:
    settings.GUARDED_ALLOW = [feeds.removeprefix("http://")]
    crawler = FeedCrawler()
    crawler.init({"name": "sample", "url": f"{feeds}/recordings/{path}"})
    return list(crawler.fetch())


POSTS = {
    "atom_edited.xml": ("urn:sample:1", "Sample coin lists\n\nAt noon.", "{base}/posts/1"),
    "atom_relative.xml": ("urn:sample:2", "Second", "http://blog.example/news/2"),
    "rss_gb2312.xml": ("n-1", "样本币上线", ""),
    "rss_broken_off.xml": ("https://news.example/whole", "Whole", "https://news.example/whole"),
    "rss_media.xml": ("m-1", "Chart", ""),
}


@pytest.mark.parametrize("path", POSTS)
def test_recordings_become_posts(feeds: str, settings: Any, path: str) -> None:
    native_id, text, url = POSTS[path]

    post = posts(feeds, settings, path)[0]

    assert (post.id, post.data, post.url) == (native_id, text, url.format(base=feeds))


def test_an_entry_keeps_the_moment_at_which_it_was_published(feeds: str, settings: Any) -> None:
    [post] = posts(feeds, settings, "atom_edited.xml")

    assert (post.timestamp.isoformat(), post.author) == ("2023-07-01T12:00:00+00:00", "desk")


def test_only_pictures_are_media(feeds: str, settings: Any) -> None:
    [post] = posts(feeds, settings, "rss_media.xml")

    assert (post.type, post.media_urls) == ("image", ["https://news.example/chart.png"])
