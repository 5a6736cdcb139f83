"""The worker's consumer: Celery's own, with its events for Flower collected for a moment instead of sent one by one."""

from __future__ import annotations

from celery.worker.consumer import Consumer as CeleryConsumer

COLLECT_SECONDS = 0.25
"""How late Flower may hear of a task. Sent at once, one post's fifteen events cost the broker and Flower together more
processor time than judging the post (measured)."""


class Consumer(CeleryConsumer):
    """Named in `worker_consumer`."""

    _flush_is_due = False

    def on_send_event_buffered(self) -> None:
        """An event was put into the buffer: see that the buffer is sent soon."""
        if self.hub and not self._flush_is_due:
            self._flush_is_due = True
            self.hub.call_later(COLLECT_SECONDS, self._flush_collected)

    def _flush_collected(self) -> None:
        self._flush_is_due = False
        self._flush_events()

    def on_close(self) -> None:
        """The connection broke: Celery forgets its timers, ours among them."""
        super().on_close()
        self._flush_is_due = False

    def stop(self) -> None:
        """What was collected until now is still told before the connection closes."""
        if self.event_dispatcher and self.event_dispatcher.enabled:
            self._flush_events()
        super().stop()
