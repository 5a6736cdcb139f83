"""Posts of X as messages: whose words they are, which revision, which pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec

from apps.sources import selectors
from apps.sources.adapters.x.progress import Page, Post, moment_of
from apps.sources.domain.address import read_url
from apps.sources.domain.intake import MEDIA_LIMIT
from tradebot.contracts.errors import UnsafeAddress
from tradebot.contracts.messages import CrawlerMessage

SOURCE = "twitter"
FIELDS = {
    "tweet.fields": "attachments,author_id,created_at,edit_history_tweet_ids,note_tweet,referenced_tweets",
    "expansions": (
        "author_id,attachments.media_keys,referenced_tweets.id,referenced_tweets.id.author_id,"
        "referenced_tweets.id.attachments.media_keys"
    ),
    "media.fields": "media_key,preview_image_url,type,url",
    "user.fields": "id,name,username",
}
"""What has to be asked for: by default X gives an id and a text."""

_RETWEET = "retweeted"


class _Reference(msgspec.Struct):
    type: str = ""
    id: str = ""


class _Attachments(msgspec.Struct):
    media_keys: list[str] = []


class _Note(msgspec.Struct):
    text: str = ""


class _Tweet(msgspec.Struct):
    id: str
    text: str = ""
    author_id: str = ""
    created_at: str = ""
    edit_history_tweet_ids: list[str] = []
    attachments: _Attachments | None = None
    note_tweet: _Note | None = None
    referenced_tweets: list[_Reference] = []


class Included:
    """What a page's posts refer to, by id."""

    def __init__(self, includes: Any) -> None:
        given = includes if isinstance(includes, Mapping) else {}
        self.users = {str(user.get("id")): str(user.get("username") or "") for user in _dicts(given.get("users"))}
        self.media = {str(medium.get("media_key")): medium for medium in _dicts(given.get("media"))}
        self.tweets = {str(tweet.get("id")): tweet for tweet in _dicts(given.get("tweets"))}


def read_page(body: Mapping[str, Any]) -> Page:
    """A page of any endpoint that gives posts. What is no post is left out: one bad entry takes no other along."""
    included = Included(body.get("includes"))
    data = body.get("data")
    meta = body.get("meta")
    entries = [data] if isinstance(data, Mapping) else _dicts(data)
    posts = [post for entry in entries if (post := _post(entry, included))]
    token = meta.get("next_token") if isinstance(meta, Mapping) else None
    return Page(posts, token if isinstance(token, str) else "", len(entries) - len(posts))


def messages(posts: Iterable[Post], *, seen_at: datetime, author: str = "") -> list[CrawlerMessage]:
    """In the posts' order, each post once. `author`: whose timeline it was, where X does not tell.

    A retweet gives the post that it repeats, as its author wrote it: these are not the retweeter's words, and their
    time is the original's. A quote or a reply gives what its author added, and nothing of what it refers to. A post
    without a known author is left out, as is a retweet whose original is not shown.
    """
    found: dict[tuple[str, int], CrawlerMessage] = {}
    for post in posts:
        message = _message(post, seen_at, author)
        if message:
            found.setdefault((message.id, message.revision), message)
    return list(found.values())


def _post(entry: Mapping[str, Any], included: Included) -> Post | None:
    try:
        tweet = msgspec.convert(entry, _Tweet)
    except msgspec.ValidationError:
        return None
    if not _is_id(tweet.id):
        return None
    history = _history(tweet)
    return Post(int(tweet.id), history[0], history, tweet, included)


def _history(tweet: _Tweet) -> tuple[int, ...]:
    """Its revisions' ids, oldest first; the last one is its own."""
    told = [int(given) for given in tweet.edit_history_tweet_ids if _is_id(given)]
    own = int(tweet.id)
    return (*told[: told.index(own)], own) if own in told else (*told, own)


def _message(post: Post, seen_at: datetime, author: str) -> CrawlerMessage | None:
    tweet, included = post.raw, post.page
    repeated = next((one.id for one in tweet.referenced_tweets if one.type == _RETWEET), None)
    if repeated is not None:
        original = _post(included.tweets[repeated], included) if repeated in included.tweets else None
        return _built(original, seen_at, "") if original else None
    return _built(post, seen_at, author)


def _built(post: Post, seen_at: datetime, author: str) -> CrawlerMessage | None:
    tweet, included = post.raw, post.page
    name = included.users.get(tweet.author_id) or author
    text = (tweet.note_tweet.text if tweet.note_tweet else "") or tweet.text
    kind, urls = _media(tweet, included)
    if not name or not (text.strip() or urls):
        return None
    return CrawlerMessage(
        id=str(post.story),
        root_id=str(uuid4()),
        seen_at=seen_at,
        source=SOURCE,
        type=kind,
        data=text,
        media_urls=urls,
        timestamp=_moment(tweet, post.id),
        author=name,
        url=f"https://x.com/{name}/status/{post.id}",
        revision=len(post.history) - 1,
    )


def _media(tweet: _Tweet, included: Included) -> tuple[Any, list[str]]:
    keys = tweet.attachments.media_keys if tweet.attachments else []
    shown = [included.media[key] for key in keys if key in included.media]
    urls = [str(medium.get("url") or medium.get("preview_image_url") or "") for medium in shown]
    usable = [url for url in dict.fromkeys(urls) if url and _is_usable(url)][:MEDIA_LIMIT]
    moving = any(medium.get("type") in {"video", "animated_gif"} for medium in shown)
    return ("text" if not usable else "video" if moving else "image"), usable


def _is_usable(url: str) -> bool:
    try:
        read_url(url, selectors.allowed_media())
    except UnsafeAddress:
        return False
    return True


def _moment(tweet: _Tweet, post_id: int) -> datetime:
    try:
        given = datetime.fromisoformat(tweet.created_at)
    except ValueError:
        given = None
    # The id tells its time as well.
    return given.astimezone(UTC) if given and given.tzinfo else moment_of(post_id)


def _is_id(given: str) -> bool:
    return given.isascii() and given.isdigit() and len(given) <= 19


def _dicts(given: Any) -> Sequence[Mapping[str, Any]]:
    return [entry for entry in given if isinstance(entry, Mapping)] if isinstance(given, list) else []
