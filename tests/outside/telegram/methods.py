"""What the MTProto server answers to each request: the few methods that a reader of channels calls."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from telethon.tl import functions, types

from tests.outside.telegram.password import PasswordCheck
from tests.outside.telegram.world import Channel, Message, World

DC = 2
_MOST = 100
_ACCESS = 777_000_111
_NUMBERS = (
    "chat_size_max", "megagroup_size_max", "forwarded_count_max", "online_update_period_ms",
    "offline_blur_timeout_ms", "offline_idle_timeout_ms", "online_cloud_timeout_ms",
    "notify_cloud_delay_ms", "notify_default_delay_ms", "push_chat_period_ms", "push_chat_limit",
    "edit_time_limit", "revoke_time_limit", "revoke_pm_time_limit", "rating_e_decay",
    "stickers_recent_limit", "channels_read_media_period", "call_receive_timeout_ms",
    "call_ring_timeout_ms", "call_connect_timeout_ms", "call_packet_timeout_ms", "caption_length_max",
    "message_length_max", "webfile_dc_id",
)  # fmt: skip
"""What a configuration must have, and no reader of channels looks at."""


@dataclass
class Caller:
    """Who holds an authorization key: nobody, or an account by its phone number."""

    phone: str = ""
    asked: str = ""
    check: PasswordCheck | None = None


class RpcFailure(Exception):
    """An error as Telegram names it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Methods:
    """Requests to answers, over one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.port = 0
        self._before_login = {
            functions.help.GetConfigRequest: self._config,
            functions.auth.SendCodeRequest: self._send_code,
            functions.auth.SignInRequest: self._sign_in,
            functions.account.GetPasswordRequest: self._password,
            functions.auth.CheckPasswordRequest: self._check_password,
        }
        self._after_login = {
            functions.users.GetUsersRequest: lambda caller, request: [self._user(caller)],
            functions.updates.GetStateRequest: lambda caller, request: types.updates.State(1, 0, _now(), 1, 0),
            functions.updates.GetDifferenceRequest: lambda caller, request: types.updates.DifferenceEmpty(_now(), 1),
            functions.updates.GetChannelDifferenceRequest: self._difference,
            functions.contacts.ResolveUsernameRequest: self._resolve,
            functions.channels.GetChannelsRequest: self._channels,
            functions.channels.GetMessagesRequest: self._messages,
            functions.messages.GetHistoryRequest: self._history,
            functions.upload.GetFileRequest: self._file,
        }

    def call(self, caller: Caller, request: Any) -> Any:
        """The answer as a TLObject, a list or a bool. Raises RpcFailure."""
        self._world.calls.append(type(request).__name__)
        with self._world.lock:
            self._fail_if_told(request)
            if answer := self._before_login.get(type(request)):
                return answer(caller, request)
            if not caller.phone:
                raise RpcFailure(401, "AUTH_KEY_UNREGISTERED")
            known = self._after_login.get(type(request))
            if known is None:
                raise RpcFailure(400, "METHOD_INVALID")
            return known(caller, request)

    def updates(self, what: str, channel: Channel, messages: Sequence[Message]) -> Iterator[Any]:
        """What is pushed after a change, one update a message as Telegram does."""
        if what == "delete":
            channel.pts += len(messages)
            ids = [message.id for message in messages]
            yield _updates([types.UpdateDeleteChannelMessages(channel.id, ids, channel.pts, len(ids))], channel)
            return
        kind = types.UpdateNewChannelMessage if what == "new" else types.UpdateEditChannelMessage
        for message in messages:
            channel.pts += 1
            yield _updates([kind(self._message(channel, message), channel.pts, 1)], channel)

    def _fail_if_told(self, request: Any) -> None:
        for fault in self._world.rpc_faults:
            if fault["method"] == type(request).__name__:
                self._world.rpc_faults.remove(fault)
                raise RpcFailure(fault["code"], fault["message"])

    # --- logging in --------------------------------------------------------------------------------------------------

    def _config(self, caller: Caller, request: Any) -> Any:
        numbers = dict.fromkeys(_NUMBERS, 1)
        return types.Config(
            date=_now(), expires=_now(), test_mode=False, this_dc=DC, dc_txt_domain_name="", me_url_prefix="",
            dc_options=[types.DcOption(DC, "127.0.0.1", self.port)], **numbers,
        )  # fmt: skip

    def _send_code(self, caller: Caller, request: Any) -> Any:
        phone = request.phone_number.lstrip("+")
        if phone not in self._world.accounts:
            raise RpcFailure(400, "PHONE_NUMBER_INVALID")
        caller.asked = phone
        return types.auth.SentCode(types.auth.SentCodeTypeApp(5), phone_code_hash="hash")

    def _sign_in(self, caller: Caller, request: Any) -> Any:
        account = self._world.accounts[caller.asked]
        if request.phone_code != account["code"]:
            raise RpcFailure(400, "PHONE_CODE_INVALID")
        if account.get("password"):
            raise RpcFailure(401, "SESSION_PASSWORD_NEEDED")
        caller.phone = caller.asked
        return types.auth.Authorization(self._user(caller))

    def _password(self, caller: Caller, request: Any) -> Any:
        caller.check = PasswordCheck(self._world.accounts[caller.asked]["password"])
        return caller.check.question()

    def _check_password(self, caller: Caller, request: Any) -> Any:
        if caller.check is None or not caller.check.is_right(request.password):
            raise RpcFailure(400, "PASSWORD_HASH_INVALID")
        caller.phone = caller.asked
        return types.auth.Authorization(self._user(caller))

    def _user(self, caller: Caller) -> Any:
        return types.User(int(caller.phone), is_self=True, access_hash=1, first_name="Sample", phone=caller.phone)

    # --- channels ----------------------------------------------------------------------------------------------------

    def _resolve(self, caller: Caller, request: Any) -> Any:
        found = [one for one in self._world.channels.values() if one.username.casefold() == request.username.casefold()]
        if not found:
            raise RpcFailure(400, "USERNAME_NOT_OCCUPIED")
        return types.contacts.ResolvedPeer(types.PeerChannel(found[0].id), [_chat(found[0])], [])

    def _channels(self, caller: Caller, request: Any) -> Any:
        return types.messages.Chats([_chat(self._channel(peer)) for peer in request.id])

    def _channel(self, peer: Any) -> Channel:
        channel = self._world.by_id(peer.channel_id)
        if channel is None or peer.access_hash != _ACCESS:
            raise RpcFailure(400, "CHANNEL_INVALID")
        if channel.private:
            raise RpcFailure(400, "CHANNEL_PRIVATE")
        return channel

    def _history(self, caller: Caller, request: Any) -> Any:
        channel = self._channel(request.peer)
        falling = sorted(channel.messages.values(), key=lambda message: -message.id)
        place = sum(message.id >= request.offset_id for message in falling) if request.offset_id else 0
        start = place + request.add_offset
        return self._answer(channel, falling[max(0, start) : max(0, start + min(request.limit, _MOST))])

    def _messages(self, caller: Caller, request: Any) -> Any:
        channel = self._channel(request.channel)
        found = [channel.messages.get(one.id) for one in request.id]
        return self._answer(channel, [message for message in found if message])

    def _difference(self, caller: Caller, request: Any) -> Any:
        return types.updates.ChannelDifferenceEmpty(self._channel(request.channel).pts, final=True)

    def _answer(self, channel: Channel, messages: Sequence[Message]) -> Any:
        origins = {one.forwarded.casefold() for one in messages if one.forwarded} & self._world.channels.keys()
        chats = [_chat(channel), *(_chat(self._world.channels[name]) for name in sorted(origins))]
        shown = [self._message(channel, message) for message in messages]
        return types.messages.ChannelMessages(channel.pts, len(channel.messages), shown, [], chats, [])

    def _message(self, channel: Channel, message: Message) -> Any:
        peer = types.PeerChannel(channel.id)
        if message.service:
            action = types.MessageActionChatEditTitle(message.text or channel.title)
            return types.MessageService(message.id, peer, message.at, action=action, post=True)
        return types.Message(
            message.id, peer, message.at, message.text, post=True, edit_date=message.edited_at, entities=[],
            grouped_id=message.group or None, media=self._media(message), fwd_from=self._forward(message),
        )  # fmt: skip

    def _forward(self, message: Message) -> Any:
        origin = self._world.channels.get(message.forwarded.casefold())
        if origin:
            return types.MessageFwdHeader(message.at, from_id=types.PeerChannel(origin.id), channel_post=7)
        return (
            types.MessageFwdHeader(message.at, from_name=message.forwarded_title) if message.forwarded_title else None
        )

    def _media(self, message: Message) -> Any:
        if message.poll:
            question, *options = message.poll
            answers = [
                types.PollAnswer(types.TextWithEntities(text, []), bytes([index])) for index, text in enumerate(options)
            ]
            poll = types.Poll(1, types.TextWithEntities(question, []), answers, hash=0)
            return types.MessageMediaPoll(poll, types.PollResults())
        if message.photo:
            size = types.PhotoSize("y", 8, 8, len(self._world.photo_of(message.photo)))
            return types.MessageMediaPhoto(photo=types.Photo(message.photo, 1, b"ref", message.at, [size], DC))
        if message.video:
            thumb = types.PhotoSize("m", 8, 8, len(self._world.photo_of(message.id)))
            document = types.Document(message.id, 1, b"ref", message.at, "video/mp4", 9, DC, [], thumbs=[thumb])
            return types.MessageMediaDocument(document=document)
        return None

    def _file(self, caller: Caller, request: Any) -> Any:
        data = self._world.photo_of(request.location.id)[request.offset : request.offset + request.limit]
        return types.upload.File(types.storage.FilePng(), int(time.time()), data)


def _chat(channel: Channel) -> Any:
    return types.Channel(
        channel.id, channel.title, types.ChatPhotoEmpty(), _now(), broadcast=True, left=channel.left or None,
        access_hash=_ACCESS, username=channel.username or None,
    )  # fmt: skip


def _updates(updates: list[Any], channel: Channel) -> Any:
    return types.Updates(updates, [], [_chat(channel)], _now(), 0)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
