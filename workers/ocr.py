"""The ocr stage: what stands in the pictures of a post, and why where nothing could be read."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import UUID

import structlog
from prometheus_client import Counter, Histogram

from apps.sources import selectors, services
from apps.sources.adapters import media
from apps.sources.adapters import ocr as engines
from apps.sources.adapters.guarded import GuardedClient
from apps.sources.domain.language import language
from apps.sources.domain.picture import ImageRead, Seen, StoredMedia
from apps.sources.selectors import PostImageView
from tradebot.contracts.errors import PermanentError, TransientError
from tradebot.contracts.ids import stable_id
from tradebot.contracts.messages import CleanPost, OCRResult
from workers.stage import stage

FETCHERS = 8
READ_SECONDS = Histogram(
    "ocr_process_duration_seconds",
    "Seconds an OCR engine took for one picture.",
    ["engine"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60),
)
IMAGES = Counter("tradebot_images_total", "Pictures of posts, by outcome.", ["outcome"])

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Place:
    post_id: UUID
    index: int
    url: str
    source: str
    channel: str


@stage("ocr")
def ocr(batch: list[CleanPost]) -> list[OCRResult]:
    """One result for each picture of each post, failed ones marked. What was read once is not read again."""
    ids = [UUID(post.post_id) for post in batch]
    known = selectors.images_of(ids)
    if places := [place for post in batch for place in _unread(post, known.get(UUID(post.post_id), []))]:
        _read_all(places)
        known = selectors.images_of(ids)
    return [_result(post, image) for post in batch for image in known.get(UUID(post.post_id), [])]


def _unread(post: CleanPost, images: Sequence[PostImageView]) -> list[_Place]:
    read = {image.index for image in images}
    places = (
        _Place(UUID(post.post_id), index, url, post.source, post.channel) for index, url in enumerate(post.media_urls)
    )
    return [place for place in places if place.index not in read]


def _read_all(places: Sequence[_Place]) -> None:
    """Read and store a few pictures at a time: memory stays small, and a worker that dies loses only those few."""
    with media.MediaClients() as clients, ThreadPoolExecutor(FETCHERS, thread_name_prefix="media") as pool:
        for start in range(0, len(places), FETCHERS):
            group = places[start : start + FETCHERS]
            # Fetching waits for the network, so it runs side by side; the reader takes what came in one go.
            fetched = pool.map(_fetch, group, [clients.of(place.source, place.channel) for place in group])
            services.record_images(_read(group, list(fetched)))


def _fetch(place: _Place, client: GuardedClient) -> bytes | str:
    try:
        return media.fetch(place.url, client)
    except (PermanentError, TransientError) as error:
        return str(error)


def _read(places: Sequence[_Place], fetched: Sequence[bytes | str]) -> list[ImageRead]:
    got = [data for data in fetched if isinstance(data, bytes)]
    seen = iter(engines.reader().read(got) if got else [])
    return [
        _failed(place, data) if isinstance(data, str) else _outcome(place, data, next(seen))
        for place, data in zip(places, fetched, strict=True)
    ]


def _outcome(place: _Place, data: bytes, seen: Seen) -> ImageRead:
    stored = media.keep(data, seen) if seen.content_type else None
    if seen.error:
        return _failed(place, seen.error, stored)
    READ_SECONDS.labels(seen.reading.engine).observe(seen.seconds)
    IMAGES.labels("read").inc()
    reading = seen.reading
    return ImageRead(place.post_id, place.index, place.url, stored, reading, language(reading.text))


def _failed(place: _Place, reason: str, stored: StoredMedia | None = None) -> ImageRead:
    IMAGES.labels("failed").inc()
    _log.info("picture not read", post=str(place.post_id), index=place.index, reason=reason)
    return ImageRead(place.post_id, place.index, place.url, stored, error=f"media_urls[{place.index}]: {reason}")


def _result(post: CleanPost, image: PostImageView) -> OCRResult:
    return OCRResult(
        id=str(stable_id("ocr", post.post_id, image.index)),
        parent_id=post.id,
        root_id=post.root_id,
        seen_at=post.seen_at,
        stages=post.stages,
        original_url=image.url,
        text=image.text,
        confidence=image.confidence,
        language=image.language,
        post_id=post.post_id,
        boxes=list(image.boxes),
        engine=image.engine,
        error=image.error,
        index=image.index,
        count=len(post.media_urls),
        source=post.source,
    )
