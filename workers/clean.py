"""The clean stage: each sighting becomes a recorded post, or is dropped because the post is known already."""

from __future__ import annotations

import structlog
from prometheus_client import Counter

from apps.sources import services
from apps.sources.services import Outcome, Recorded
from tradebot.contracts.ids import stable_id
from tradebot.contracts.messages import CleanPost, CrawlerMessage
from workers.stage import stage

SIGHTINGS = Counter("tradebot_sightings_total", "Posts that reached the clean stage, by what they were.", ["outcome"])

_log = structlog.get_logger(__name__)


@stage("clean")
def clean(batch: list[CrawlerMessage]) -> list[CleanPost]:
    """Normalise and record posts. A redelivered sighting gives what was stored the first time; another sighting of a
    known post gives nothing."""
    recorded = services.record_posts(batch)
    for entry in recorded:
        SIGHTINGS.labels(entry.outcome.value).inc()
    dropped = sum(entry.outcome is Outcome.DUPLICATE for entry in recorded)
    if dropped:
        _log.info("posts seen before", count=dropped)
    return [_clean_post(entry) for entry in recorded if entry.outcome is not Outcome.DUPLICATE]


def _clean_post(entry: Recorded) -> CleanPost:
    post, message = entry.post, entry.message
    return CleanPost(
        id=str(stable_id("clean", post.id)),
        parent_id=message.id,
        root_id=post.root_id,
        seen_at=post.seen_at,
        stages=message.stages,
        post_id=str(post.id),
        source=post.source,
        channel=post.channel,
        author=post.author,
        type=message.type,
        text=post.text,
        language=post.language,
        timestamp=post.posted_at,
        media_urls=list(post.media_urls),
        owner_id=str(post.owner_id) if post.owner_id else None,
    )
