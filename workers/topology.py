"""The whole graph on one screen: exchanges, queues, routes, batches, retries, time limits, workers, schedules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tradebot.contracts.messages import (
    AnalysisSignal,
    CleanPost,
    CrawlerMessage,
    Features,
    Message,
    OCRResult,
    TradeCommand,
)
from tradebot.contracts.values import Direction

# Public topic exchanges: anyone may bind a queue. `pipeline` carries the two internal kinds; `to_queue` reaches one
# queue by its name (retries, schedules); `dead_letters` and `later` are the harness's own.
EXCHANGES = ("crawler_data", "ocr_results", "analysis_signals", "trade_commands", "pipeline", "to_queue")
DEAD_LETTERS = "dead_letters"
LATER = "later"
RETRY_DELAYS = (1, 5, 30, 120)
"""Seconds before the 1st, 2nd, 3rd and every later retry: a delay queue each."""

DELIVERY_LIMIT = 5
"""A message whose worker died more often than this goes to the dead letters."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One task: where it listens, what it accepts, how much at once, how long, how often again."""

    name: str
    accepts: type[Message]
    bindings: tuple[tuple[str, str], ...]
    queue: str = ""
    batch: int = 50
    max_bytes: int = 1_000_000
    retries: int = 4
    soft_limit: int = 60
    hard_limit: int = 90

    @property
    def task(self) -> str:
        return f"tradebot.{self.name}"

    @property
    def queue_name(self) -> str:
        return self.queue or self.name


STAGES = {
    stage.name: stage
    for stage in (
        Stage("clean", CrawlerMessage, (("crawler_data", "#"),)),
        Stage("ocr", CleanPost, (("pipeline", "post.media"),), batch=8, soft_limit=240, hard_limit=300),
        Stage("features", CleanPost, (("pipeline", "post.text"),)),
        Stage("features_of_images", OCRResult, (("ocr_results", "#"),), queue="features"),
        Stage("analyze", Features, (("pipeline", "features"),)),
        Stage("dispatch", AnalysisSignal, (("analysis_signals", "bullish.*"), ("analysis_signals", "bearish.*"))),
        Stage("execute", TradeCommand, (("trade_commands", "#"),), batch=1, soft_limit=90, hard_limit=120),
    )
}
"""The way of a post, in order."""

STAGE_OF_TASK = {stage.task: stage for stage in STAGES.values()}

WORK_QUEUES = ("crawl", "browser", "housekeeping", "reconcile")
"""Queues of tasks that beat starts; they carry no messages of the pipeline. `browser`: crawls of pages with scripts."""

QUEUES = (*dict.fromkeys(stage.queue_name for stage in STAGES.values()), *WORK_QUEUES)


@dataclass(frozen=True, slots=True)
class WorkerGroup:
    """One worker service: the queues it takes and how many processes it has."""

    queues: tuple[str, ...]
    concurrency: int = 1
    pool: str = "prefork"


WORKERS = {
    "pipeline": WorkerGroup(("clean", "analyze", "dispatch")),
    "models": WorkerGroup(("features",)),
    # As for the browser below: pictures are read in a process that is killed when one takes too long.
    "ocr": WorkerGroup(("ocr",), pool="threads"),
    "execute": WorkerGroup(("execute", "reconcile"), concurrency=16, pool="threads"),
    "crawl": WorkerGroup(("crawl", "housekeeping")),
    # No child beside its parent: 60 MiB less while it waits. Its browser is killed with its page, whatever Celery does.
    "browser": WorkerGroup(("browser",), pool="threads"),
}


def workers_here(elsewhere: Iterable[str]) -> dict[str, WorkerGroup]:
    """WORKERS without the queues that workers on other machines take, and without groups that have none left.

    Raises ValueError naming a queue that there is not.
    """
    away = set(elsewhere)
    if unknown := away - set(QUEUES):
        raise ValueError(f"{min(unknown)!r} is no queue; there are {', '.join(QUEUES)}")
    left = {name: tuple(queue for queue in group.queues if queue not in away) for name, group in WORKERS.items()}
    return {name: replace(group, queues=left[name]) for name, group in WORKERS.items() if left[name]}


TASK_QUEUES = {
    "tradebot.crawl": "crawl",
    "tradebot.crawl_due": "housekeeping",
    "tradebot.collect_dead_letters": "housekeeping",
    "tradebot.check_credentials": "housekeeping",
    "tradebot.probe_venues": "housekeeping",
    "tradebot.mark_signals": "housekeeping",
    "tradebot.reconcile": "reconcile",
}

SCHEDULES = {
    "crawl what is due": ("tradebot.crawl_due", 5.0),
    "collect dead letters": ("tradebot.collect_dead_letters", 5.0),
    "check new credentials": ("tradebot.check_credentials", 5.0),
    "probe the venues": ("tradebot.probe_venues", 30.0),
    "mark signals": ("tradebot.mark_signals", 120.0),
    "reconcile orders": ("tradebot.reconcile", 15.0),
}
"""Name: task and seconds. Seeded into the database, where the admin edits them."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where one message goes. `heard`: some queue of ours must take it, or publishing fails."""

    exchange: str
    key: str
    task: str
    batch: int
    max_bytes: int
    heard: bool = True


def units(messages: Iterable[Message]) -> list[list[Message]]:
    """What must travel together: all images of one post, everything else alone. Keeps the order."""
    groups: dict[str, list[Message]] = {}
    for number, message in enumerate(messages):
        key = message.post_id if isinstance(message, OCRResult) else f"#{number}"
        groups.setdefault(key, []).append(message)
    return list(groups.values())


def route(unit: Sequence[Message]) -> Route:
    """The exchange, key and task of one unit; its first message speaks for all."""
    first = unit[0]
    match first:
        case CrawlerMessage():
            return _to("clean", "crawler_data", f"{_word(first.source)}.{first.type}")
        case CleanPost():
            return (
                _to("ocr", "pipeline", "post.media") if first.media_urls else _to("features", "pipeline", "post.text")
            )
        case OCRResult():
            return _to("features_of_images", "ocr_results", f"{_word(first.source)}.{_word(first.language)}")
        case Features():
            return _to("analyze", "pipeline", "features")
        case AnalysisSignal():
            coin = first.coins[0] if len(first.coins) == 1 else "multi"
            heard = first.type != Direction.NEUTRAL
            return _to("dispatch", "analysis_signals", f"{first.type}.{_word(coin)}", heard=heard)
        case TradeCommand():
            return _to("execute", "trade_commands", f"{_word(first.exchange)}.{first.action}")
    raise TypeError(f"no route for {type(first).__name__}")


def _to(stage: str, exchange: str, key: str, *, heard: bool = True) -> Route:
    target = STAGES[stage]
    return Route(exchange, key, target.task, target.batch, target.max_bytes, heard)


def _word(text: str) -> str:
    return text.replace(".", "_").replace(" ", "_")[:80] or "none"
