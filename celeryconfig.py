"""Celery's settings, derived from workers/topology.py and the environment."""

from __future__ import annotations

from kombu import Exchange, Queue, binding

from tradebot import env
from workers import topology

broker_url = env.text("BROKER_URL")
CONFIRMS = broker_url.startswith(("amqp", "pyamqp"))
"""Whether this broker confirms what it has taken: live money needs one that does."""

imports = (
    "workers.warmup",
    "workers.crawl",
    "workers.clean",
    "workers.ocr",
    "workers.features",
    "workers.analyze",
    "workers.dispatch",
    "workers.execute",
    "workers.housekeeping",
    "workers.nodes",
)

accept_content = ["json"]
task_serializer = "json"
task_ignore_result = True
result_backend = None
enable_utc = True
timezone = "UTC"

task_acks_late = True
task_acks_on_failure = False
task_acks_on_timeout = False
task_reject_on_worker_lost = True
worker_prefetch_multiplier = 1
task_track_started = False
worker_send_task_events = True
worker_consumer = "workers.consumer:Consumer"
task_send_sent_event = False
worker_hijack_root_logger = False
worker_redirect_stdouts = False
worker_proc_alive_timeout = 60
worker_soft_shutdown_timeout = 10

broker_heartbeat = 10
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
# Messages of the pipeline are confirmed by our own publisher, a batch at a time. What Celery itself still sends is
# events for Flower and beat's ticks: waiting for a confirm of each would cost every hop a millisecond.
broker_transport_options = (
    {"max_retries": 3, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5}
    if CONFIRMS
    else {"visibility_timeout": 900, "max_retries": 3}
)

# --- exchanges and queues --------------------------------------------------------------------------------------------

_LIMITS = {"x-queue-type": "quorum", "x-overflow": "reject-publish", "x-dead-letter-strategy": "at-least-once"}


def _arguments(**extra: object) -> dict[str, object] | None:
    """Quorum queues with our limits on RabbitMQ; Valkey knows no arguments."""
    return {**_LIMITS, **{name.replace("_", "-"): value for name, value in extra.items()}} if CONFIRMS else None


def _exchange(name: str) -> Exchange:
    return Exchange(name, type="topic", durable=True)


def _queue(name: str) -> Queue:
    keys = [pair for stage in topology.STAGES.values() if stage.queue_name == name for pair in stage.bindings]
    return Queue(
        name,
        bindings=[binding(_exchange(at), routing_key=key) for at, key in (*keys, ("to_queue", f"*.{name}"))],
        queue_arguments=_arguments(
            **{
                "x_delivery_limit": topology.DELIVERY_LIMIT,
                "x_dead_letter_exchange": topology.DEAD_LETTERS,
                "x_dead_letter_routing_key": name,
            }
        ),
    )


def _delay_queue(seconds: int) -> Queue:
    return Queue(
        f"{topology.LATER}.{seconds}",
        exchange=_exchange(topology.LATER),
        routing_key=f"{seconds}.*",
        queue_arguments=_arguments(x_message_ttl=seconds * 1000, x_dead_letter_exchange="to_queue"),
    )


task_queues = [_queue(name) for name in topology.QUEUES]
own_queues = [
    Queue(
        topology.DEAD_LETTERS,
        exchange=_exchange(topology.DEAD_LETTERS),
        routing_key="#",
        queue_arguments={"x-queue-type": "quorum", "x-delivery-limit": 1_000_000} if CONFIRMS else None,
    ),
    *([_delay_queue(seconds) for seconds in topology.RETRY_DELAYS] if CONFIRMS else []),
]
"""The harness's own: declared by the publisher, consumed by no stage."""

task_create_missing_queues = False
task_default_queue = "housekeeping"
task_default_queue_type = "quorum" if CONFIRMS else "classic"
broker_native_delayed_delivery_queue_type = "classic"
task_default_exchange = "to_queue"
task_default_exchange_type = "topic"
task_default_routing_key = "now.housekeeping"
task_routes = {
    task: {"exchange": "to_queue", "exchange_type": "topic", "routing_key": f"now.{queue}"}
    for task, queue in topology.TASK_QUEUES.items()
}

# --- schedules: seeded into the database, edited in the admin --------------------------------------------------------

beat_scheduler = "django_celery_beat.schedulers:DatabaseScheduler"
beat_max_loop_interval = 5
