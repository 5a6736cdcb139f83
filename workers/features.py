"""The features stage: one text out of post and pictures, its vector and its coins."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec

from apps.signals import selectors
from apps.signals.adapters.e5 import second_look
from apps.signals.adapters.embedder import embedder, pack, pack_chances
from apps.signals.domain.coins import catalogue
from apps.signals.domain.evidence import whole_text
from apps.signals.domain.subject import subject
from apps.sources import selectors as sources
from apps.sources.selectors import PostView
from tradebot.contracts.errors import TransientError
from tradebot.contracts.ids import stable_id
from tradebot.contracts.messages import CleanPost, Features, OCRResult
from workers.stage import stage

READ = 4_000
"""Characters of a text that are embedded: 128 tokens never need more."""


@stage("features")
def features(batch: list[CleanPost]) -> list[Features]:
    """One Features for each post without pictures."""
    return with_vectors(
        [
            Features(
                id=_id(post.post_id),
                parent_id=post.id,
                root_id=post.root_id,
                seen_at=post.seen_at,
                stages=post.stages,
                post_id=post.post_id,
                source=post.source,
                channel=post.channel,
                author=post.author,
                text=post.text,
                language=post.language,
                timestamp=post.timestamp,
                owner_id=post.owner_id,
            )
            for post in batch
        ]
    )


@stage("features_of_images")
def features_of_images(batch: list[OCRResult]) -> list[Features]:
    """One Features for each post, out of its stored text and all of its pictures."""
    by_post: dict[str, list[OCRResult]] = {}
    for result in batch:
        by_post.setdefault(result.post_id, []).append(result)
    posts = sources.posts([UUID(post_id) for post_id in by_post])
    missing = by_post.keys() - {str(post_id) for post_id in posts}
    if missing:
        raise TransientError(f"post {min(missing)} is not recorded yet")
    return with_vectors([_of_images(posts[UUID(post_id)], images) for post_id, images in by_post.items()])


def _of_images(post: PostView, results: Sequence[OCRResult]) -> Features:
    images = sorted(results, key=lambda result: result.index)
    first = images[0]
    return Features(
        id=_id(first.post_id),
        parent_id=first.id,
        root_id=first.root_id,
        seen_at=first.seen_at,
        stages=first.stages,
        post_id=first.post_id,
        source=post.source,
        channel=post.channel,
        author=post.author,
        text=whole_text(post.text, images),
        language=post.language,
        timestamp=post.posted_at,
        images=images,
        owner_id=str(post.owner_id) if post.owner_id else None,
    )


def with_vectors(posts: Sequence[Features]) -> list[Features]:
    """One run of each encoder that is needed, and one search for those of the posts that name no coin."""
    texts = [post.text[:READ] for post in posts]
    vectors, chances = embedder().read(texts)
    named = [catalogue().symbols(post.text) for post in posts]
    # What a post is about is guessed by meaning only where no name tells it: see `subject`.
    unnamed = [at for at, tickers in enumerate(named) if not tickers]
    nearest = dict(zip(unnamed, selectors.nearest(vectors[unnamed]), strict=True))
    about = [bool(subject(text, named[at], nearest.get(at, []))) for at, text in enumerate(texts)]
    chances, judges = second_look(texts, chances, embedder().version, about)
    rows = zip(posts, vectors, chances, judges, named, strict=True)
    return [
        msgspec.structs.replace(
            post,
            vector=pack(vector),
            chances=pack_chances(row),
            judge=judge,
            nearest=nearest.get(at, []),
            tickers=tickers,
        )
        for at, (post, vector, row, judge, tickers) in enumerate(rows)
    ]


def _id(post_id: str) -> str:
    return str(stable_id("features", post_id))
