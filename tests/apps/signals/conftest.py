"""Posts on real rows, as the clean and OCR stages would hand them on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from apps.accounts.models import User
from apps.signals import services
from apps.signals.adapters.embedder import get_embedder
from apps.sources.models import Post
from tests.factories import clean_post, now
from tradebot.contracts.messages import AnalysisSignal, CleanPost
from workers.analyze import analyze
from workers.features import features

NEWS = "Binance will list PEPE"
SAME_NEWS = "BREAKING: PEPE is getting listed on Binance tomorrow"
"""Two reports of one event."""


def recorded(text: str, **changes: Any) -> CleanPost:
    """A post as stored by the clean stage, and the message about it."""
    post_id, moment = uuid4(), now()
    story = changes.pop("story_id", uuid4())
    owner = changes.get("owner_id")
    message = clean_post(post_id=str(post_id), text=text, timestamp=moment, **changes)
    Post.objects.create(
        id=post_id,
        story_id=story,
        source=message.source,
        channel=message.channel,
        author=message.author,
        native_id=uuid4().hex,
        clean_text=text,
        posted_at=moment,
        seen_at=message.seen_at,
        root_id=message.root_id,
        owner_id=UUID(owner) if owner else None,
    )
    return message


def judged(*posts: CleanPost) -> list[AnalysisSignal]:
    return analyze(features(list(posts)))


def said(text: str, author: str, **changes: Any) -> AnalysisSignal:
    (signal,) = judged(recorded(text, author=author, **changes))
    return signal


class _Remembering:
    """The real embedder, which runs once for each text of this test session."""

    def __init__(self) -> None:
        self.version = get_embedder().version
        self._known: dict[str, Any] = {}

    def embed(self, texts: Sequence[str]) -> list[Any]:
        new = [text for text in texts if text not in self._known]
        if new:
            self._known.update(zip(new, get_embedder().embed(new), strict=True))
        return [self._known[text] for text in texts]


@pytest.fixture(scope="session")
def remembering() -> _Remembering:
    return _Remembering()


@pytest.fixture
def coins(db: None, remembering: _Remembering) -> int:
    """The catalogue in the database, with its vectors."""
    return services.sync_coins(embedder=remembering)


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user(username="alice")


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create_user(username="bob")
