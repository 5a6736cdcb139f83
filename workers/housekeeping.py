"""What beat starts beside the crawls: collect dead letters, check new credentials, reconcile orders."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import structlog
from django.db import OperationalError, transaction
from kombu import Message, Queue

import celeryconfig
from tradebot.celery import app
from tradebot.contracts.ids import stable_id
from tradebot.messaging import services as messaging
from workers import topology

log = structlog.get_logger(__name__)

MOST = 1000
"""Dead letters collected per run; the rest waits for the next."""


@app.task(name="tradebot.collect_dead_letters", shared=False, soft_time_limit=60, time_limit=90)
def collect_dead_letters() -> int:
    """Move dead letters from the broker into the table that operators see; returns how many were new."""
    queue: Queue = celeryconfig.own_queues[0]
    count = 0
    with app.connection_for_write() as connection, connection.channel() as channel:
        bound = queue(channel)
        bound.declare()
        for _ in range(MOST):
            message = bound.get(accept=["json"])
            if message is None:
                break
            count += _keep(message)
            message.ack()
    return count


def _keep(message: Message) -> bool:
    """Record one letter; False when there is nothing new to record."""
    if str(message.headers.get("task")) in topology.TASK_QUEUES:
        # Beat starts the next one anyway, and there are no items to send back.
        log.error("housekeeping.task_failed", task=message.headers["task"])
        return False
    try:
        with transaction.atomic():
            return _record(message.headers, message.payload)
    except OperationalError:
        raise
    except Exception as error:
        # Anybody may have written it, and the letters behind it must come too.
        log.exception("housekeeping.unreadable_letter")
        return _record_body(message, error)


def _record(headers: dict[str, Any], payload: Any) -> bool:
    task = str(headers.get("task", ""))
    stage = topology.STAGE_OF_TASK.get(task)
    return messaging.record_dead_letter(
        letter_id=stable_id("dead_letter", headers.get("id") or repr(payload)),
        stage=stage.name if stage else task,
        queue=stage.queue_name if stage else "",
        task=task,
        reason=_reason(headers),
        items=_items(payload),
        attempts=int(headers.get("tradebot_attempt") or 0) + 1,
        dead_at=datetime.now(UTC),
    )


def _items(payload: Any) -> list[Any]:
    arguments = payload[0] if payload else []
    first = arguments[0] if arguments else []
    return first if isinstance(first, list) else [first]


def _record_body(message: Message, error: Exception) -> bool:
    """Keep a letter that can't be read as its bare text, not to be retried."""
    body = message.body if isinstance(message.body, bytes) else str(message.body).encode("utf-8", "replace")
    return messaging.record_dead_letter(
        letter_id=stable_id("dead_letter", message.headers.get("id", ""), sha256(body).hexdigest()),
        stage="unreadable",
        queue="",
        task=str(message.headers.get("task", "")),
        reason=f"could not be read as a letter of the pipeline: {type(error).__name__}: {error}"[:2000],
        items=[{"body": body.decode("utf-8", "backslashreplace")}],
        attempts=1,
        dead_at=datetime.now(UTC),
    )


def _reason(headers: dict[str, Any]) -> str:
    if reason := headers.get("tradebot_reason"):
        return str(reason)
    deaths = headers.get("x-death") or [{}]
    why = deaths[0].get("reason", "unknown")
    if why == "delivery_limit":
        return f"its worker died {topology.DELIVERY_LIMIT + 1} times while handling it"
    if why == "rejected":
        return "it ran past its time limit or the worker gave it up"
    return f"the broker gave it up: {why}"


@app.task(name="tradebot.check_credentials", shared=False, soft_time_limit=60, time_limit=90)
def check_credentials() -> int:
    """Try every PENDING exchange key once: ACTIVE or REFUSED, with the reason. Returns how many were settled."""
    from workers.credentials import check_pending

    return check_pending()


@app.task(name="tradebot.probe_venues", shared=False, soft_time_limit=60, time_limit=90)
def probe_venues() -> int:
    """Ask every enabled venue for one price, so that its health is known when nobody trades, and for its markets where
    they are not known or old; returns how many told a price."""
    from workers.markets import sync_due
    from workers.probe import probe_all

    answered = probe_all()
    sync_due()
    return answered


@app.task(name="tradebot.mark_signals", shared=False, soft_time_limit=90, time_limit=120)
def mark_signals() -> int:
    """Mark the signals whose horizon has passed against the price; returns how many marks were made."""
    from workers.accuracy import mark_due

    return mark_due()


@app.task(name="tradebot.reconcile", shared=False, soft_time_limit=120, time_limit=150)
def reconcile() -> int:
    """Ask the exchanges about every order whose end is not known; returns how many accounts were asked."""
    from workers.execute import reconcile_all

    return reconcile_all()
