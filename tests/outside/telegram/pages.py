"""A channel's preview page, built as the recorded page of t.me/s is built."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence

from tests.outside.telegram.world import PAGE_POSTS, Channel, Message

_HEAD = """<!DOCTYPE html>
<html>
  <head>
    <meta charset="utf-8">
    <title>{title} – Telegram</title>
  </head>
  <body class="widget_frame_base tgme_webpreview emoji_image thin_box_shadow tme_mode no_transitions">
<main class="tgme_main" data-url="/{name}">
  <div class="tgme_container">
    <section class="tgme_channel_history js-message_history">
"""
_TAIL = """
    </section>
  </div>
</main>
  </body>
</html>
"""


def page(channel: Channel, before: int | None, base: str) -> str:
    """The newest posts, or the newest of those with smaller ids than `before`."""
    posts = [post for post in channel.posts() if before is None or post[0].id < before]
    shown = posts[-PAGE_POSTS:]
    more = _more(channel, shown[0][0].id) if len(posts) > len(shown) else ""
    body = more + "".join(_post(channel, post, base) for post in shown)
    return _HEAD.format(title=html.escape(channel.title), name=channel.name) + body + _TAIL


def landing(channel: Channel) -> str:
    """What t.me/<name> shows for a channel without preview."""
    return (
        f"<!DOCTYPE html>\n<html><head><title>Telegram: Contact @{channel.name}</title></head><body>"
        f'<div class="tgme_page"><a class="tgme_action_button_new" href="tg://resolve?domain={channel.name}">View</a>'
        "</div></body></html>"
    )


def _more(channel: Channel, before: int) -> str:
    return (
        '<div class="tgme_widget_message_centered js-messages_more_wrap">'
        f'<a href="/s/{channel.name}?before={before}" class="tme_messages_more js-messages_more" '
        f'data-before="{before}"></a></div>'
    )


def _post(channel: Channel, post: Sequence[Message], base: str) -> str:
    first = post[0]
    view = base64.urlsafe_b64encode(json.dumps({"c": -channel.id, "p": first.id, "t": 1, "h": "0"}).encode()).decode()
    kind = " service_message" if first.service else ""
    return (
        '<div class="tgme_widget_message_wrap js-widget_message_wrap">'
        f'<div class="tgme_widget_message text_not_supported_wrap{kind} js-widget_message" '
        f'data-post="{channel.name}/{first.id}" data-view="{view.rstrip("=")}">\n'
        '  <div class="tgme_widget_message_bubble">\n'
        f'    <div class="tgme_widget_message_author accent_color"><a class="tgme_widget_message_owner_name" '
        f'href="https://t.me/{channel.name}"><span dir="auto">{html.escape(channel.title)}</span></a></div>\n'
        f"{_forwarded(first)}{_reply(channel, first)}"
        f'<div class="media_supported_cont">{_media(channel, post, base)}{_text(first)}{_poll(first)}</div>'
        f"{_footer(channel, post)}\n  </div>\n</div></div>"
    )


def _forwarded(message: Message) -> str:
    if not (message.forwarded or message.forwarded_title):
        return ""
    title = html.escape(message.forwarded_title or message.forwarded)
    name = (
        f'<a class="tgme_widget_message_forwarded_from_name" href="https://t.me/{message.forwarded}/7">{title}</a>'
        if message.forwarded
        else f'<span class="tgme_widget_message_forwarded_from_name" dir="auto">{title}</span>'
    )
    return f'<div class="tgme_widget_message_forwarded_from accent_color">Forwarded from&nbsp;{name}</div>\n'


def _reply(channel: Channel, message: Message) -> str:
    quoted = channel.messages.get(message.reply_to)
    if quoted is None:
        return ""
    return (
        f'<a class="tgme_widget_message_reply user-color-12" href="https://t.me/{channel.name}/{quoted.id}">'
        '<div class="tgme_widget_message_author accent_color">'
        f'<span class="tgme_widget_message_author_name" dir="auto">{html.escape(channel.title)}</span></div>'
        f'<div class="tgme_widget_message_text js-message_reply_text" dir="auto">{html.escape(quoted.text)}</div></a>\n'
    )


def _media(channel: Channel, post: Sequence[Message], base: str) -> str:
    pieces = [_piece(channel, message, base, single=len(post) > 1) for message in post]
    joined = "".join(pieces)
    if len(post) == 1:
        return joined
    return f'<div class="tgme_widget_message_grouped_wrap js-message_grouped_wrap"><div>{joined}</div></div>'


def _piece(channel: Channel, message: Message, base: str, *, single: bool) -> str:
    link = f"https://t.me/{channel.name}/{message.id}" + ("?single" if single else "")
    if message.photo:
        return (
            f'<a class="tgme_widget_message_photo_wrap {message.photo} {message.photo % 10**9}_460004406" '
            f'href="{link}" '
            f"style=\"width:800px;background-image:url('{base}/file/{message.photo}.jpg')\">\n"
            '  <div class="tgme_widget_message_photo" style="padding-top:65.5%"></div>\n</a>'
        )
    if message.video:
        return (
            f'<a class="tgme_widget_message_video_player js-message_video_player" href="{link}">'
            '<i class="tgme_widget_message_video_thumb" '
            f"style=\"background-image:url('{base}/file/{message.id}.jpg')\">"
            '</i><div class="tgme_widget_message_video_wrap"></div></a>'
        )
    return ""


def _text(message: Message) -> str:
    if not message.text:
        return ""
    words = html.escape(message.text, quote=False).replace("\n", "<br/>")
    return f'<div class="tgme_widget_message_text js-message_text" dir="auto">{words}</div>'


def _poll(message: Message) -> str:
    if not message.poll:
        return ""
    question, *options = map(html.escape, message.poll)
    lines = "".join(
        '<div class="tgme_widget_message_poll_option"><div class="tgme_widget_message_poll_option_percent">50%</div>'
        f'<div class="tgme_widget_message_poll_option_value"><div class="tgme_widget_message_poll_option_text">{option}'
        "</div></div></div>"
        for option in options
    )
    return (
        '<div class="tgme_widget_message_poll js-poll"><div class="tgme_widget_message_poll_question">'
        f'{question}</div><div class="tgme_widget_message_poll_type">Anonymous Poll</div>{lines}</div>'
    )


def _footer(channel: Channel, post: Sequence[Message]) -> str:
    first = post[0]
    edited = "edited &nbsp;" if any(message.edited_at for message in post) else ""
    return (
        '<div class="tgme_widget_message_footer compact js-message_footer">\n'
        '  <div class="tgme_widget_message_info short js-message_info">\n'
        f'    <span class="tgme_widget_message_views">{first.id}.78K</span><span class="copyonly"> views</span>'
        '<span class="tgme_widget_message_meta"><span class="tgme_widget_message_from_author" dir="auto">'
        f"{html.escape(channel.title)}</span>,&nbsp;{edited}"
        f'<a class="tgme_widget_message_date" href="https://t.me/{channel.name}/{first.id}">'
        f'<time datetime="{first.at.isoformat()}" class="time">{first.at:%H:%M}</time></a></span>\n  </div>\n</div>'
    )
