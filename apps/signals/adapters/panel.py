"""Asks all analyzers at once, each within its time; who fails or is late is left out with a note."""

from __future__ import annotations

import queue
import threading
import time
import weakref
from collections.abc import Callable, Sequence

import structlog

from apps.signals.adapters.answers import advisory, failed, verdict
from apps.signals.domain.verdict import Verdict
from apps.signals.domain.weights import Weights
from tradebot.contracts.messages import AnalysisSignal, Features
from tradebot.contracts.ports import AnalyzerPlugin

log = structlog.get_logger(__name__)

SECONDS = 5.0
SECONDS_A_POST = 0.2

Task = tuple[Sequence[Features], dict[int, Verdict]]
"""Posts, and where their verdicts go, by place."""

Weigh = Callable[[], Weights]
"""What the votes weigh now; asked once a batch."""


class Seat:
    """One analyzer and the thread it works in; while it is late with one batch it gets no other.

    The thread lives as long as the seat: making one for each batch costs more than most verdicts.
    """

    def __init__(self, plugin: AnalyzerPlugin) -> None:
        self._work = Work(plugin)
        self._thread: threading.Thread | None = None
        weakref.finalize(self, self._work.end).atexit = False

    def start(self, batch: Sequence[Features]) -> Callable[[float], list[Verdict]]:
        """Begin; the function returned waits until the deadline (`time.monotonic`) and gives one verdict a post."""
        if not self._work.idle.acquire(blocking=False):
            return lambda _: [failed(self._work.plugin, "still busy with an earlier batch")] * len(batch)
        found: dict[int, Verdict] = {}
        self._work.tasks.put((batch, found))
        if self._thread is None or not self._thread.is_alive():
            name = f"analyzer-{self._work.plugin.name}"
            self._thread = threading.Thread(target=self._work.run, daemon=True, name=name)
            self._thread.start()
        return lambda deadline: self._collect(found, len(batch), deadline)

    def _collect(self, found: dict[int, Verdict], size: int, deadline: float) -> list[Verdict]:
        plugin, idle = self._work.plugin, self._work.idle
        if idle.acquire(timeout=max(0.0, deadline - time.monotonic())):
            idle.release()
        answered = dict(found)
        if len(answered) < size:
            log.warning("analyzer_late", analyzer=plugin.name, missing=size - len(answered))
        return [answered.get(at) or failed(plugin, "no answer in time") for at in range(size)]


class Work:
    """What a seat's thread does. It knows nothing of its seat, so that a seat nobody needs any more takes it along."""

    def __init__(self, plugin: AnalyzerPlugin) -> None:
        self.plugin = plugin
        self.tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self.idle = threading.Lock()
        """Held from a batch's start until its last verdict."""

    def run(self) -> None:
        """Judge batches as they come, until `end`."""
        while (task := self.tasks.get()) is not None:
            try:
                self._judge(*task)
            except BaseException as error:  # noqa: BLE001 - even a plugin that calls exit() must not end the thread
                log.warning("analyzer_broke_off", analyzer=self.plugin.name, reason=repr(error))
            finally:
                self.idle.release()
            del task  # else the batch stays in memory until the next one comes

    def end(self) -> None:
        """Let the thread go home."""
        self.tasks.put(None)

    def _judge(self, batch: Sequence[Features], found: dict[int, Verdict]) -> None:
        whole = getattr(self.plugin, "analyze_batch", None)
        if whole is not None and self._together(whole, batch, found):
            return
        for at, post in enumerate(batch):
            found[at] = self._one(post)

    def _together(
        self,
        whole: Callable[[Sequence[Features]], list[AnalysisSignal]],
        batch: Sequence[Features],
        found: dict[int, Verdict],
    ) -> bool:
        """Whether the whole batch could be judged in one call; if not, one bad post must not silence the others."""
        try:
            said = [verdict(self.plugin, each) for each in whole(batch)]
        except Exception as error:  # noqa: BLE001 - the border to plugins
            log.warning("analyzer_batch_failed", analyzer=self.plugin.name, reason=str(error))
            return False
        if len(said) != len(batch):
            return False
        found.update(enumerate(said))
        return True

    def _one(self, post: Features) -> Verdict:
        try:
            return verdict(self.plugin, self.plugin.analyze(post.text, post.images))
        except Exception as error:  # noqa: BLE001 - the border to plugins
            log.warning("analyzer_failed", analyzer=self.plugin.name, reason=str(error), post_id=post.post_id)
            return failed(self.plugin, f"{type(error).__name__}: {error}")


class Panel:
    """All analyzers of this process. `judge` is called from one thread at a time.

    `seconds`: how long each may take, those that name more themselves (`seconds`) that much.
    """

    def __init__(self, plugins: Sequence[AnalyzerPlugin], seconds: float = SECONDS, weigh: Weigh = Weights) -> None:
        self._seats = [Seat(plugin) for plugin in plugins]
        self._seconds = [max(seconds, float(getattr(plugin, "seconds", 0.0))) for plugin in plugins]
        self._needed = sum(not advisory(plugin) for plugin in plugins)
        self._weigh = weigh

    @property
    def quorum(self) -> int:
        """How many must answer: more than half of those that are more than advisory."""
        return self._needed // 2 + 1

    def judge(self, batch: Sequence[Features]) -> list[list[Verdict]]:
        """For each post the verdict of every analyzer with what it weighs, failed ones with their reason."""
        waiting = [seat.start(batch) for seat in self._seats]
        start, weights = time.monotonic() + SECONDS_A_POST * len(batch), self._weigh()
        # The last one first: when it has answered the others mostly have, and need no waking of this thread each.
        columns = [wait(start + seconds) for wait, seconds in zip(waiting[::-1], self._seconds[::-1], strict=True)]
        return [[weights.on(column[at]) for column in columns[::-1]] for at in range(len(batch))]
