"""The Celery application. Its configuration is derived from the topology (celeryconfig.py)."""

import os
import threading
from time import monotonic

from celery import Celery
from celery.signals import setup_logging, task_prerun
from celery.worker.consumer.delayed_delivery import DelayedDelivery
from django.db import connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradebot.settings")
# Django's checks load every page and address, 10 MiB that no worker needs; `manage.py migrate` and the web ran them.
os.environ.setdefault("CELERY_SKIP_CHECKS", "true")

app = Celery("tradebot")
app.config_from_object("celeryconfig")
# Celery would close the database connection before and after every task: a new one costs two processes ten
# milliseconds (measured), most of it the password's hashing. A broken or too old one is dropped below instead.
app.conf["CELERY_DB_REUSE_MAX"] = 10**9


@setup_logging.connect
def _keep_django_logging(**_: object) -> None:
    """Connected, so that Celery leaves the logging of settings.LOGGING alone."""


IDLE_SECONDS = 2.0
_own = threading.local()


@task_prerun.connect
def _drop_broken_connections(**_: object) -> None:
    """After a restart of the database the next task gets a new connection.

    A connection that the task before just used is not asked whether it lives: asking costs every hop a round trip, and
    one that breaks under a task is dropped before the task's retry.
    """
    idle = monotonic() - getattr(_own, "last_task", float("-inf")) > IDLE_SECONDS
    _own.last_task = monotonic()
    for connection in connections.all(initialized_only=True):
        if idle or connection.errors_occurred:
            connection.close_if_unusable_or_obsolete()


def _never(self: DelayedDelivery, consumer: object) -> bool:
    return False


# Celery would bind every exchange behind its 28 delay queues, and a delayed message for one stage would then reach
# every stage that listens to "#". Retries wait in delay queues of our own (topology.RETRY_DELAYS); no task has an ETA.
DelayedDelivery.include_if = _never
