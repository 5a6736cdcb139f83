"""Reads one page of a channel's public preview (t.me/s/<name>): markup in, posts out, a clear error when it changed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lxml import etree
from lxml import html as lxml_html

from apps.sources.adapters.telegram import markup
from apps.sources.adapters.telegram.markup import having, inside, path
from apps.sources.adapters.telegram.posts import Shown
from tradebot.contracts.errors import PermanentError, TransientError

_OLDER = path(f".//a[{having('tme_messages_more')}]")
_POST = re.compile(r"([A-Za-z0-9_]+)/([0-9]{1,15})")
_LINK = re.compile(r"/([0-9]{1,15})(?:[?#].*)?$")
_NOT_QUOTED = f"not({inside('tgme_widget_message_reply')}) and not({inside('tgme_widget_message_link_preview')})"
_HISTORY = path(f"//*[{having('tgme_channel_history')} or {having('js-message_history')}]")
_MESSAGES = path(f".//*[{having('tgme_widget_message')} and @data-post]")
_WORDS = path(
    f".//*[{having('tgme_widget_message_text')} and {_NOT_QUOTED} and not({inside('tgme_widget_message_text')})"
    f" and not({having('js-message_reply_text')})]"
)
_POLL = path(f".//*[{having('tgme_widget_message_poll')}]")
_POLL_LINES = path(
    f".//*[{having('tgme_widget_message_poll_question')} or {having('tgme_widget_message_poll_option_text')}]"
)
_PHOTOS = path(f".//*[{having('tgme_widget_message_photo_wrap')} and {_NOT_QUOTED}]")
_VIDEOS = path(
    f".//*[({having('tgme_widget_message_video_player')} or {having('tgme_widget_message_roundvideo_player')})"
    f" and {_NOT_QUOTED}]"
)
_THUMBNAILS = path(
    f".//*[{having('tgme_widget_message_video_thumb')} or {having('tgme_widget_message_roundvideo_thumb')}]"
)
_FORWARDED = path(f".//*[{having('tgme_widget_message_forwarded_from_name')}]")
_TIME = path(f".//*[{having('tgme_widget_message_date')}]//time[@datetime]")
_META = path(f".//*[{having('tgme_widget_message_meta')}]")
_WORDLESS = path(
    ".//*[" + " or ".join(
        f"contains(concat(' ', @class), ' tgme_widget_message_{kind}')"
        for kind in (
            "sticker", "document", "voice", "roundvideo", "video", "location", "contact", "game", "invoice", "giveaway",
            "story",
        )
    ) + "]"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Page:
    """What one page shows: posts by rising id, the channel's own number where it is told, whether it offers older ones,
    and what was not read."""

    posts: tuple[Shown, ...]
    number: int | None
    offers_older: bool
    notes: tuple[str, ...] = ()

    @property
    def lowest(self) -> int:
        return min(member for post in self.posts for member in post.members)

    @property
    def highest(self) -> int:
        return max(member for post in self.posts for member in post.members)


def read_page(body: bytes, channel: str, base: str) -> Page:
    """`body` as the page of `channel`; `base` is its address. Raises TransientError for half a page, PermanentError for
    one that shows another channel's posts or that is not built as the preview is."""
    root = _root(body)
    history = _HISTORY(root)
    if not history:
        raise _changed("there is no message list")
    messages = _MESSAGES(history[0])
    if not messages and history[0].xpath(".//time[@datetime]"):
        raise _changed("the list has posts that can't be told apart")
    _check_channel(messages, channel)
    read = [(message, _shown(message, channel, base)) for message in messages]
    _check_readable(read)
    posts = tuple(sorted((post for _, post in read if post), key=lambda post: post.id))
    return Page(posts, _number(messages), bool(_OLDER(history[0])), _notes(read))


def _notes(read: list[tuple[Any, Shown | None]]) -> tuple[str, ...]:
    undated, (_, unreadable) = sum(post is None for _, post in read), _unreadable(read)
    told = {"have no date": undated, "have nothing that can be read": unreadable - undated}
    return tuple(f"{count} posts {what}" for what, count in told.items() if count > 0)


def _root(body: bytes) -> Any:
    if b"</html" not in body[-4_000:].lower():
        raise TransientError("the answer breaks off")
    parser = lxml_html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True)
    try:
        return lxml_html.document_fromstring(body, parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        raise PermanentError("the answer is no HTML page") from None


def _changed(what: str) -> PermanentError:
    return PermanentError(f"{what}: the preview's markup has changed, and this crawler can't read it any more")


def _check_channel(messages: Iterable[Any], channel: str) -> None:
    for message in messages:
        given = str(message.get("data-post"))
        found = _POST.fullmatch(given)
        if not found:
            raise _changed(f"a post is named {given[:60]!r}")
        if found[1].casefold() != channel.casefold():
            raise PermanentError(f"the page shows posts of @{found[1]}, not of @{channel}; nothing of it is taken")


def _check_readable(read: list[tuple[Any, Shown | None]]) -> None:
    if read and not any(post for _, post in read):
        raise _changed("no post has a date")
    own, unreadable = _unreadable(read)
    if own and 2 * unreadable > own:
        raise _changed(f"{unreadable} of {own} posts have neither words nor pictures")


def _unreadable(read: list[tuple[Any, Shown | None]]) -> tuple[int, int]:
    """How many posts the channel itself wrote, and in how many of them there is nothing that we know."""
    own = [(message, post) for message, post in read if not _is_service(message)]
    return len(own), sum(not ((post and post.readable) or _WORDLESS(message)) for message, post in own)


def _is_service(message: Any) -> bool:
    return "service_message" in str(message.get("class"))


def _number(messages: Iterable[Any]) -> int | None:
    numbers = {number for message in messages if (number := markup.channel_number(message)) is not None}
    if len(numbers) > 1:
        raise PermanentError("the page mixes posts of several channels; nothing of it is taken")
    return numbers.pop() if numbers else None


def _shown(message: Any, channel: str, base: str) -> Shown | None:
    times = [found for node in _TIME(message) if (found := markup.moment(node))]
    if not times:
        return None
    own_id = int(str(message.get("data-post")).partition("/")[2])
    if _is_service(message):
        return Shown(members=(own_id,), at=times[-1], author=channel)
    words, photos, videos = _WORDS(message), _PHOTOS(message), _VIDEOS(message)
    links = sorted({link for node in words for link in markup.hidden_links(node)})
    return Shown(
        members=_members(own_id, channel, [*photos, *videos]),
        at=times[-1],
        author=_author(message) or channel,
        text=_text(message, words),
        pictures=_addresses(photos, base),
        thumbnails=_addresses([thumb for video in videos for thumb in _THUMBNAILS(video)], base),
        marks=(*links, *(markup.file_ids(photo) for photo in photos), *("video" for _ in videos)),
        edited=any(markup.is_edited(meta) for meta in _META(message)),
    )


def _text(message: Any, words: Iterable[Any]) -> str:
    polls = [line for poll in _POLL(message) for line in _POLL_LINES(poll)]
    return "\n\n".join(filter(None, (
        "\n\n".join(filter(None, map(markup.text_of, words))), "\n".join(filter(None, map(markup.text_of, polls)))
    )))  # fmt: skip


def _author(message: Any) -> str:
    names = _FORWARDED(message)
    return markup.handle(names[0]) if names else ""


def _members(own_id: int, channel: str, media: Iterable[Any]) -> tuple[int, ...]:
    """The ids of an album's messages stand in the links of its pictures."""
    links = (str(node.get("href") or "") for node in media)
    own = (link for link in links if f"/{channel}/".casefold() in link.casefold())
    return tuple(sorted({own_id, *(int(found[1]) for link in own if (found := _LINK.search(link)))}))


def _addresses(nodes: Iterable[Any], base: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(address for node in nodes if (address := markup.background(node, base))))
