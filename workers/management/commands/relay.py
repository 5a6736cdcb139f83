"""`manage.py relay`: publishes what the web process wrote into the outbox."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand

from workers.relay import Relay


class Command(BaseCommand):
    help = (
        "Publish the outbox: waits for PostgreSQL's NOTIFY, takes rows with SKIP LOCKED, publishes them with "
        "confirms, then deletes them. Several relays may run at once."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        relay = Relay()

        def stop(signum: int, frame: FrameType | None) -> None:
            relay.stopping = True

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        relay.run()
