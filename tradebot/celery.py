"""The Celery application. Its configuration is derived from the topology (celeryconfig.py)."""

import os

from celery import Celery
from celery.signals import setup_logging
from celery.worker.consumer.delayed_delivery import DelayedDelivery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradebot.settings")

app = Celery("tradebot")
app.config_from_object("celeryconfig")


@setup_logging.connect
def _keep_django_logging(**_: object) -> None:
    """Connected, so that Celery leaves the logging of settings.LOGGING alone."""


def _never(self: DelayedDelivery, consumer: object) -> bool:
    return False


# Celery would bind every exchange behind its 28 delay queues, and a delayed message for one stage would then reach
# every stage that listens to "#". Retries wait in delay queues of our own (topology.RETRY_DELAYS); no task has an ETA.
DelayedDelivery.include_if = _never
