"""The crawler plugin `telegram`: one channel, through its public preview or through a client session."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from django.db import connection

from apps.sources import selectors, telegram_sessions
from apps.sources.adapters.telegram.config import TelegramConfig, read_config
from apps.sources.adapters.telegram.ledger import Memory, recall, remember
from apps.sources.adapters.telegram.posts import SOURCE, Shown, deletion, message
from apps.sources.adapters.telegram.preview import read_preview
from apps.sources.domain.address import read_url
from apps.sources.domain.intake import MEDIA_LIMIT
from tradebot.contracts.errors import NotConfigured, TransientError, UnsafeAddress
from tradebot.contracts.messages import CrawlerMessage
from tradebot.contracts.ports import Deletion, Emit
from tradebot.sealing.envelope import SealError

if TYPE_CHECKING:
    # Telethon takes 50 MB, and only workers that use a session need it.
    from apps.sources.adapters.telegram.client import Login
    from apps.sources.adapters.telegram.walk import Outcome

CLIENT_SECONDS = 90.0


class TelegramCrawler:
    """Reads one channel. Config: `TelegramConfig`, with `state` as it was left.

    Each post is sent once in every version. Its id is its number in the channel, an album's that of its first message.
    The revision is 0 for a post that was not edited; else it comes from the time of the edit (client) or is counted
    (preview), see `ledger`. `deletions` and `notes` are filled by `fetch`, `stored_media` with the pictures that it has
    put into the media storage itself.
    """

    name = SOURCE
    config_model = TelegramConfig

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        self.deletions: list[Deletion] = []
        self.notes: dict[str, str] = {}
        self.stored_media: set[str] = set()
        self._config: TelegramConfig | None = None

    def init(self, config: Mapping[str, Any]) -> None:
        """Raises NotConfigured naming the key and the remedy."""
        self._config = read_config(config)
        self.state = dict(config.get("state") or {})

    def fetch(self) -> Iterable[CrawlerMessage]:
        """New, edited and overlooked posts, oldest first. Raises NotConfigured, Throttled, TransientError and
        PermanentError; then nothing has changed."""
        config = self._ready()
        self.deletions, self.notes, self.stored_media = [], {}, set()
        login = self._login(config)
        return self._from_preview(config) if login is None else self._from_client(config, login)

    @classmethod
    def would_listen(cls, config: Mapping[str, Any]) -> bool:
        """Only a client is pushed to; a channel that is read through its preview is left to the polls."""
        return config.get("mode", "auto") != "preview" and bool(config.get("api_id") and config.get("api_hash"))

    async def listen(self, emit: Emit) -> None:
        """Hand on what Telegram pushes, until cancelled or the connection ends. Polling goes on beside it: Telegram
        does not push everything. Raises NotConfigured without a session, and for a channel the account has not joined.
        """
        config = self._ready()
        login = await asyncio.to_thread(self._login_elsewhere, config)
        if login is None:
            raise NotConfigured(
                f"session: only a client is pushed to; run manage.py telegram_login --session {config.session}, or "
                "leave this channel to polling"
            )
        await self._listen(config, login, emit)

    def validate(self, msg: CrawlerMessage) -> bool:
        """Could this channel have written `msg`?"""
        channel = self._ready().channel.casefold()
        return msg.source == self.name and msg.channel.casefold() == channel and msg.id.isdigit()

    def _ready(self) -> TelegramConfig:
        if self._config is None:
            raise NotConfigured("init was not called")
        return self._config

    # --- the preview -------------------------------------------------------------------------------------------------

    def _from_preview(self, config: TelegramConfig) -> list[CrawlerMessage]:
        outcome, notes = read_preview(config, self._memory(config, "preview"))
        if notes:
            self.notes[config.channel] = "; ".join([*filter(None, [self.notes.get(config.channel)]), *notes])
        built = [message(version, config.channel, _usable(version.shown)) for version in outcome.versions]
        self._finish(config, outcome)
        return [post for post in built if post]

    # --- the client --------------------------------------------------------------------------------------------------

    def _from_client(self, config: TelegramConfig, login: Login) -> list[CrawlerMessage]:
        from apps.sources.adapters.telegram.client import SessionLost

        try:
            posts, outcome = asyncio.run(self._read(config, login))
        except SessionLost as error:
            if config.mode == "client":
                raise
            self.notes[config.channel] = f"read through the preview: {error}"
            return self._from_preview(config)
        self._finish(config, outcome)
        return posts

    async def _read(self, config: TelegramConfig, login: Login) -> tuple[list[CrawlerMessage], Outcome]:
        from apps.sources.adapters.telegram.client import connected
        from apps.sources.adapters.telegram.history import read_history
        from apps.sources.adapters.telegram.pictures import store_pictures

        posts: list[CrawlerMessage] = []
        try:
            async with asyncio.timeout(CLIENT_SECONDS), connected(config, login) as client:
                read = await read_history(client, config, login.account, self._memory(config, "client"))
                for version in read.outcome.versions:
                    media, missing = await store_pictures(client, version.shown, read.messages)
                    self.stored_media.update(media)
                    if missing:
                        self.notes[config.channel] = missing
                    if post := message(version, config.channel, media):
                        posts.append(post)
        except TimeoutError:
            raise TransientError(f"Telegram took longer than {CLIENT_SECONDS:.0f} s") from None
        return posts, read.outcome

    async def _listen(self, config: TelegramConfig, login: Login, emit: Emit) -> None:
        from apps.sources.adapters.telegram.channel import check_same, find_channel, look_up, peer_of
        from apps.sources.adapters.telegram.client import translated
        from apps.sources.adapters.telegram.push import Push
        from apps.sources.adapters.telegram.shared import shared_client

        async with shared_client(config, login) as client:
            with translated(config):
                memory = await find_channel(client, config, login.account, self._memory(config, "client"))
                chat = await look_up(client, memory)
                check_same(chat, config.channel, memory.number)
                if getattr(chat, "left", False):
                    raise NotConfigured(
                        f"the account of session {config.session!r} has not joined @{config.channel}, so Telegram "
                        "pushes nothing of it; join it in a Telegram app. Polling goes on"
                    )
                push = Push(client, config, memory, emit)
                self.stored_media = push.stored_media
                await push.run(peer_of(memory))

    def _login_elsewhere(self, config: TelegramConfig) -> Login | None:
        try:
            return self._login(config)
        finally:
            # This thread's own connection, which nobody else would close.
            connection.close()

    def _login(self, config: TelegramConfig) -> Login | None:
        """The stored session, or None for the preview. Raises NotConfigured."""
        if config.mode == "preview" or not config.has_keys:
            return None
        try:
            found = telegram_sessions.open_session(config.session)
        except SealError as error:
            raise NotConfigured(f"session {config.session!r}: {error}") from None
        if found is None:
            if config.mode == "client":
                raise NotConfigured(
                    f"session: nobody has logged in as {config.session!r}; run manage.py telegram_login --session "
                    f"{config.session}"
                )
            return None
        from apps.sources.adapters.telegram.client import Login

        return Login(found[0].reveal(), found[1])

    # --- both --------------------------------------------------------------------------------------------------------

    def _memory(self, config: TelegramConfig, mode: str) -> Memory:
        return recall(self.state, config.channel, mode)

    def _finish(self, config: TelegramConfig, outcome: Outcome) -> None:
        self.deletions = [deletion(config.channel, native) for native in outcome.gone]
        self.state = remember(outcome.memory)


def _usable(shown: Shown) -> list[str]:
    """Addresses of a post's pictures, else of its videos' stills, that the guarded client would contact."""
    offered = shown.pictures or shown.thumbnails
    return [url for url in offered if _is_usable(url)][:MEDIA_LIMIT]


def _is_usable(url: str) -> bool:
    try:
        read_url(url, selectors.allowed_media())
    except UnsafeAddress:
        return False
    return True
