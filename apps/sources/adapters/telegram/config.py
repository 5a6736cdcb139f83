"""Settings of one Telegram channel, as an operator writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from django.conf import settings

from apps.sources.domain.address import literal, read_url
from tradebot.contracts.errors import NotConfigured, UnsafeAddress

Count = Annotated[int, msgspec.Meta(ge=1, le=50)]

_ADDRESS = re.compile(r"^(?:https?://)?(?:www\.)?(?:t|telegram)\.me/(?:s/)?", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{3,31}")
_SESSION = re.compile(r"[A-Za-z0-9_.-]{1,50}")
_GIVEN_BY_THE_HOST = frozenset({"name", "url", "state"})


class TelegramConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`mode`: `preview` reads t.me/s, `client` speaks MTProto with a session that `manage.py telegram_login` stored,
    `auto` takes the client where there is such a session and the preview otherwise.

    `overlap`: how many of the newest posts are read again each time, for edits. `pages`: how many pages (20 posts) of
    the preview, or hundreds of messages of the client, one run may ask for. `server`, `server_key`: IP:port and
    public RSA key (PEM) of another MTProto server than Telegram's own.
    """

    channel: str
    mode: Literal["auto", "preview", "client"] = "auto"
    api_id: int | str = ""
    api_hash: str = ""
    session: str = "default"
    preview_base: str = "https://t.me"
    overlap: Count = 20
    pages: Count = 10
    server: str = ""
    server_key: str = ""

    @property
    def has_keys(self) -> bool:
        """Whether there is what a client needs beside its session."""
        return bool(self.api_id and self.api_hash)


def read_config(given: Mapping[str, Any]) -> TelegramConfig:
    """The settings, checked, `channel` without @ and address. Raises NotConfigured naming the key and the remedy."""
    own = {key: value for key, value in given.items() if key not in _GIVEN_BY_THE_HOST}
    try:
        config = msgspec.convert(own, TelegramConfig)
    except msgspec.ValidationError as error:
        raise NotConfigured(str(error)) from None
    config = msgspec.structs.replace(
        config, channel=channel_name(config.channel), preview_base=config.preview_base.rstrip("/")
    )
    _check_client(config)
    _check_addresses(config)
    return config


def channel_name(given: str) -> str:
    """`durov` of @durov, t.me/durov or https://t.me/s/durov. Raises NotConfigured."""
    name = _ADDRESS.sub("", given.strip()).lstrip("@").rstrip("/")
    if not _NAME.fullmatch(name):
        raise NotConfigured(f"channel: {given[:60]!r} is no public channel name; write it as @name or t.me/name")
    return name


def _is_endpoint(server: str) -> bool:
    host, _, port = server.rpartition(":")
    return literal(host.strip("[]")) is not None and port.isascii() and port.isdigit()


def _check_client(config: TelegramConfig) -> None:
    if config.api_id and not (str(config.api_id).isascii() and str(config.api_id).isdigit()):
        raise NotConfigured("api_id: must be the number that my.telegram.org shows")
    if config.mode == "client" and not config.has_keys:
        raise NotConfigured("api_id, api_hash: client mode needs both; get them from my.telegram.org")
    if not _SESSION.fullmatch(config.session):
        raise NotConfigured("session: is a name of up to 50 letters, digits, dots and dashes")


def _check_addresses(config: TelegramConfig) -> None:
    try:
        read_url(config.preview_base, settings.GUARDED_ALLOW)
    except UnsafeAddress as error:
        raise NotConfigured(f"preview_base: {error}") from None
    if bool(config.server) != bool(config.server_key):
        raise NotConfigured("server, server_key: another server than Telegram's own needs both")
    if config.server and not _is_endpoint(config.server):
        raise NotConfigured("server: must be an IP address and a port, like 192.0.2.7:443; Telethon stores no names")
    if config.server and config.server not in settings.GUARDED_ALLOW:
        raise NotConfigured(f"server: {config.server[:100]} is not in GUARDED_ALLOW; only endpoints named there count")
