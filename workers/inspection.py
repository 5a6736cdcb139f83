"""What the pipeline would make of a picture or a text, by its own stages and without storing anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from apps.signals import cluster_services, cluster_settings
from apps.signals.cluster_services import Story
from apps.signals.domain.ensemble import Judgement
from apps.signals.domain.evidence import whole_text
from apps.signals.domain.verdict import Verdict
from apps.sources.adapters import ocr as engines
from apps.sources.adapters.guarded import BYTE_LIMIT
from apps.sources.domain.clean import clean
from apps.sources.domain.language import language
from apps.sources.domain.picture import Reading
from tradebot.contracts.errors import TradebotError
from tradebot.contracts.messages import Features, OCRResult
from workers.analyze import get_panel
from workers.features import with_vectors
from workers.judging import Meaning, calling, meaning
from workers.market import markets_of


@dataclass(frozen=True, slots=True)
class Read:
    """One file. `error` says why it could not be read; `language` is that of the text."""

    path: Path
    reading: Reading = field(default_factory=Reading)
    language: str = "und"
    error: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a post would mean: its coins, the judgement of all analyzers, and each one's own verdict. `story`: which one
    it would tell just now, and how much it looks like manipulation; None where it calls for no trade."""

    text: str
    coins: tuple[str, ...]
    judgement: Judgement
    verdicts: tuple[Verdict, ...]
    story: Story | None = None


def read(path: Path) -> Read:
    """What stands in the picture at `path`."""
    try:
        with path.open("rb") as file:
            data = file.read(BYTE_LIMIT + 1)
        if len(data) > BYTE_LIMIT:
            return Read(path, error=f"is larger than {BYTE_LIMIT} bytes")
        (seen,) = engines.reader().read([data])
    except OSError as error:
        return Read(path, error=f"can't be opened: {error.strerror}")
    except TradebotError as error:
        return Read(path, error=str(error))
    return Read(path, seen.reading, language(seen.reading.text), seen.error)


def judge(text: str, pictures: Sequence[Read] = ()) -> Judged:
    """What the analyzers make of a post with this text and these pictures; asks the database for the nearest coins."""
    images = [_result(number, each, len(pictures)) for number, each in enumerate(pictures)]
    (post,) = with_vectors([_post(clean(text), images)])
    panel = get_panel()
    (verdicts,) = panel.judge([post])
    meant = meaning(post, verdicts, panel.quorum)
    story = _story(post, meant) if meant.calls else None
    return Judged(post.text, meant.coins, meant.judgement, meant.verdicts, story)


def _story(post: Features, meant: Meaning) -> Story:
    told = calling(post, uuid4(), meant, markets_of(meant.coins))
    return cluster_services.preview(told, rules=cluster_settings.current(), now=post.timestamp)


def _post(text: str, images: list[OCRResult]) -> Features:
    now, key = datetime.now(UTC), str(uuid4())
    return Features(
        id=key,
        root_id=key,
        seen_at=now,
        post_id=key,
        source="console",
        channel="",
        author="console",
        text=whole_text(text, images),
        language=language(text),
        timestamp=now,
        images=images,
    )


def _result(number: int, picture: Read, count: int) -> OCRResult:
    key = str(uuid4())
    return OCRResult(
        id=key,
        root_id=key,
        seen_at=datetime.now(UTC),
        original_url=str(picture.path),
        text=picture.reading.text,
        confidence=picture.reading.confidence,
        language=picture.language,
        post_id=key,
        boxes=list(picture.reading.boxes),
        engine=picture.reading.engine,
        error=picture.error,
        index=number,
        count=count,
    )
