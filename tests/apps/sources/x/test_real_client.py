"""The local X must be X to a client that others wrote: tweepy, as it is, with only its socket led here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import requests
import tweepy

from tests.outside.x.process import LocalX

Name = Callable[[str], str]


class Led(requests.adapters.HTTPAdapter):
    """Whatever is sent to X arrives at the local one."""

    def __init__(self, x: LocalX) -> None:
        super().__init__()
        self._x = x

    def send(self, request: Any, *args: Any, **options: Any) -> Any:
        address = urlsplit(request.url)
        request.url = f"{self._x.url}{address.path}?{address.query}"
        return super().send(request, *args, **options)


@pytest.fixture
def client(x: LocalX) -> tweepy.Client:
    made = tweepy.Client(f"token-{uuid4().hex}")
    made.session.mount("https://api.twitter.com", Led(x))
    return made


def test_it_reads_a_timeline_page_by_page(x: LocalX, client: tweepy.Client, name: Name) -> None:
    ann = name("ann")
    x.posts([{"username": ann, "text": f"post {number}"} for number in range(12)])
    user = client.get_user(username=ann).data

    pages = tweepy.Paginator(client.get_users_tweets, user.id, max_results=5, tweet_fields=["created_at"])
    tweets = list(pages.flatten())

    assert [tweet.text for tweet in tweets] == [f"post {number}" for number in reversed(range(12))]
    assert tweets[0].edit_history_tweet_ids == [tweets[0].id]
    assert tweets[0].created_at.tzinfo is not None


def test_it_searches_with_expansions(x: LocalX, client: tweepy.Client, name: Name) -> None:
    ann, bob = name("ann"), name("bob")
    original = x.post(bob, "Original", photos=["https://pbs.twimg.com/media/a.jpg"])
    x.post(ann, retweets=original)

    found = client.search_recent_tweets(
        f"from:{ann}",
        tweet_fields=["referenced_tweets", "author_id"],
        expansions=["author_id", "referenced_tweets.id", "referenced_tweets.id.attachments.media_keys"],
        media_fields=["url"],
    )

    assert found.data[0].text == f"RT @{bob}: Original"
    assert [tweet.text for tweet in found.includes["tweets"]] == ["Original"]
    assert found.includes["media"][0].url == "https://pbs.twimg.com/media/a.jpg"
    assert found.meta["result_count"] == 1


def test_it_takes_since_id_and_edits_as_x_means_them(x: LocalX, client: tweepy.Client, name: Name) -> None:
    ann = name("ann")
    first = x.post(ann, "first")
    second = x.post(ann, "second")
    edited = x.edit(second, "second, better")

    found = client.search_recent_tweets(f"from:{ann}", since_id=first).data

    assert [(tweet.id, tweet.text) for tweet in found] == [(int(edited), "second, better")]
    assert found[0].edit_history_tweet_ids == [int(second), int(edited)]


def test_it_understands_the_errors(x: LocalX, client: tweepy.Client, name: Name) -> None:
    endpoint = "GET /2/tweets/search/recent"
    with pytest.raises(tweepy.BadRequest, match="missing"):
        client.search_recent_tweets("(unfinished")
    x.do("limit", endpoint=endpoint, requests=0, seconds=60)
    try:
        with pytest.raises(tweepy.TooManyRequests):
            client.search_recent_tweets("anything")
    finally:
        x.do("limit", endpoint=endpoint, requests=450, seconds=900)
    x.do("revoke", token=client.bearer_token)
    with pytest.raises(tweepy.Unauthorized):
        client.search_recent_tweets("anything")


def test_it_is_told_of_what_can_not_be_shown(x: LocalX, client: tweepy.Client, name: Name) -> None:
    ann, bob = name("ann"), name("bob")
    x.do("users", users=[{"username": ann}, {"username": bob, "state": "suspended"}])

    found = client.get_users(usernames=[ann, bob, name("nobody")])

    assert [user.username for user in found.data] == [ann]
    assert [error["title"] for error in found.errors] == ["Forbidden", "Not Found Error"]


def test_it_listens_to_the_stream(x: LocalX, name: Name) -> None:
    ann = name("ann")
    heard: list[tuple[str, list[str]]] = []
    connected, done = threading.Event(), threading.Event()

    class Listener(tweepy.StreamingClient):
        def on_connect(self) -> None:
            connected.set()

        def on_response(self, response: tweepy.StreamResponse) -> None:
            heard.append((response.data.text, [rule.tag for rule in response.matching_rules]))
            done.set()

    stream = Listener(f"token-{uuid4().hex}", chunk_size=1)
    stream.session.mount("https://api.twitter.com", Led(x))
    made = stream.add_rules([tweepy.StreamRule(f"from:{ann} DOGE", tag="mine")])
    thread = stream.filter(threaded=True)
    assert connected.wait(10)
    x.post(ann, "Nothing about it")
    x.post(ann, "Much DOGE")

    assert done.wait(10)
    stream.disconnect()
    thread.join(10)
    assert heard == [("Much DOGE", ["mine"])]
    assert stream.get_rules().data == made.data
    stream.delete_rules([rule.id for rule in made.data])
    assert not stream.get_rules().data
