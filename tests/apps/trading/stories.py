"""What leads to an order, as rows: a judged post with a picture, and a strategy that follows it."""

from __future__ import annotations

from uuid import uuid4

from django.utils import timezone

from apps.accounts.models import User
from apps.signals.models import Analysis, Signal
from apps.sources.models import Post, PostImage
from apps.strategies.models import Match, Strategy


def judged(text: str) -> Signal:
    """A bullish signal of a post with a picture, judged by two analyzers, one of which failed."""
    now = timezone.now()
    post = Post.objects.create(
        id=uuid4(), story_id=uuid4(), source="twitter", author="elonmusk", native_id="1", posted_at=now, seen_at=now,
        root_id="root", clean_text=text, raw_text=text,
    )  # fmt: skip
    corners = [[0, 0], [9, 0], [9, 9], [0, 9]]
    PostImage.objects.create(
        post=post, index=0, url="https://pictures.invalid/1.png", text="BUY BTC", engine="rapidocr", confidence=0.9,
        boxes=[{"text": "BUY BTC", "confidence": 0.9, "points": corners}],
    )  # fmt: skip
    for name, error in (("minilm", ""), ("rules", "took too long")):
        Analysis.objects.create(
            id=uuid4(), post=post, analyzer=name, model_version=f"{name}-1", direction="bullish", confidence=0.8,
            error=error, created_at=now,
        )  # fmt: skip
    return Signal.objects.create(
        id=uuid4(),
        post=post,
        type="bullish",
        confidence=0.8,
        coins=["BTC"],
        timestamp=now,
        sources=["twitter:elonmusk"],
    )


def following(user: User, signal: Signal) -> Strategy:
    """A strategy of `user` that matched `signal`."""
    found = Strategy.objects.create(user=user, name="follow the rocket")
    Match.objects.create(
        strategy=found, signal=signal, version=1, matched=True, detail="it names BTC", pair="BTC/USDT",
        created_at=timezone.now(),
    )  # fmt: skip
    return found
