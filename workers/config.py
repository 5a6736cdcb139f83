"""The configuration watcher: keeps the sources what `crawler.toml` (or the key in etcd) says, while everything runs."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from kombu.exceptions import OperationalError as BrokerError
from prometheus_client import Counter, Gauge

from apps.sources import config_services as services
from apps.sources.adapters.config_address import config_source, last_good
from apps.sources.config_services import Applied
from apps.sources.domain.config_source import ConfigSource, Reading
from apps.sources.domain.crawler_config import InvalidConfig, SourceSpec
from tradebot.celery import app
from tradebot.contracts.errors import InvalidField, TransientError
from tradebot.embedded.layout import write_private

RECHECK_SECONDS = 30.0
"""So often it is read and applied again, whether or not anything was heard."""
STANDBY_SECONDS = 2.0
LONGEST_PAUSE = 2.0
TOLD = 10
"""So many names of sources stand in a log line."""

FAILURES = Counter("tradebot_config_reload_failures_total", "Configurations refused or not readable.", ["reason"])
AGE = Gauge(
    "tradebot_config_age_seconds",
    "Seconds since the configuration in force was last what its file or key says.",
    multiprocess_mode="mostrecent",
)
log = structlog.get_logger(__name__)


def crawl_now() -> None:
    """What has just changed is not left until the next tick."""
    try:
        app.send_task("tradebot.crawl_due", expires=RECHECK_SECONDS)
    except (BrokerError, OSError) as error:
        log.info("config_left_to_the_next_tick", reason=type(error).__name__)


class Watcher:
    """One of several may lead, the first; another takes over when it ends. Whatever goes wrong is told and tried again:
    the sources stay as they are."""

    def __init__(self, address: str = "", changed: Callable[[], None] = crawl_now) -> None:
        self._address = address or settings.CRAWLER_CONFIG
        self._changed = changed
        self._stopping = threading.Event()
        self._source: ConfigSource | None = None
        self._good: Reading | None = None
        self._checked: tuple[str | None, list[SourceSpec]] = (None, [])
        self._failure = ""
        self._pause = 0.5
        self._confirmed = time.monotonic()
        self._name = f"{socket.gethostname()}:{os.getpid()}"

    def run(self) -> None:
        """Until `stop`."""
        while not self._stopping.is_set():
            try:
                self._round()
            except (OperationalError, InterfaceError) as error:
                log.warning("config_without_database", reason=str(error).strip())
                connection.close()
                self._rest()
            except Exception:
                # The process that this runs in listens to exchanges: it must not end over a configuration.
                log.exception("config_watcher_broke")
                self._rest()
        connection.close()

    def stop(self) -> None:
        """Ends `run` soon; returns at once."""
        self._stopping.set()
        if self._source:
            self._source.stop()

    def _round(self) -> None:
        """Read, apply, and wait until there is a reason to read again."""
        if not services.leading():
            self._stopping.wait(STANDBY_SECONDS)
            return
        try:
            source = self._source = self._source or config_source(self._address)
            if self._stopping.is_set():
                # `stop` came before there was a source that it could have told.
                return
            reading = source.read()
            self._hold(reading)
            AGE.set(time.monotonic() - self._confirmed)
            source.wait(RECHECK_SECONDS)
            self._pause = 0.5
        except (TransientError, InvalidField) as error:
            self._fall_back("unreadable", str(error))
            AGE.set(time.monotonic() - self._confirmed)
            self._rest()

    def _hold(self, reading: Reading) -> None:
        """This one is in force from now on, or refused."""
        try:
            self._apply(reading)
        except InvalidConfig as error:
            self._fall_back("invalid", str(error))
            return
        services.confirm(reading=reading, address=self._shown(), watcher=self._name, now=datetime.now(UTC))
        self._confirmed, self._failure = time.monotonic(), ""
        if self._good is None or self._good.text != reading.text:
            self._keep(reading)
        self._good = reading

    def _apply(self, reading: Reading) -> None:
        if reading.text != self._checked[0]:
            self._checked = reading.text, services.check(reading.text)
        specs = self._checked[1]
        applied = services.apply(reading=reading, specs=specs, address=self._shown(), now=datetime.now(UTC))
        if applied:
            _tell(applied, reading)
            self._changed()

    def _fall_back(self, kind: str, reason: str) -> None:
        """Say what is wrong, and keep to the last good one: of this process, else the one on disk."""
        again = reason == self._failure
        if not again:
            FAILURES.labels(kind).inc()
            log.error("config_refused", reason=reason, kind=kind)
        self._failure = reason
        self._back_to_good()
        services.refuse(address=self._shown(), reason=reason, watcher=self._name, now=datetime.now(UTC), again=again)

    def _back_to_good(self) -> None:
        """Unless another process has applied a later one: then the sources are right as they are."""
        self._good = self._good or self._kept()
        if self._good is None or services.in_force() not in {"", services.digest(self._good.text)}:
            return
        try:
            self._apply(self._good)
        except InvalidConfig as error:
            log.warning("config_kept_no_longer_fits", reason=str(error))

    def _shown(self) -> str:
        return self._source.address if self._source else "CRAWLER_CONFIG"

    def _rest(self) -> None:
        self._stopping.wait(self._pause)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    # --- the last good one on disk -----------------------------------------------------------------------------------

    def _keep(self, reading: Reading) -> None:
        path = last_good(self._address)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(path, reading.text)
        except OSError as error:
            log.warning("config_not_kept_on_disk", folder=str(path.parent), reason=error.strerror)

    def _kept(self) -> Reading | None:
        try:
            return Reading(last_good(self._address).read_text(), "kept on disk")
        except (OSError, UnicodeDecodeError):
            return None


def _tell(applied: Applied, reading: Reading) -> None:
    log.info(
        "config_applied",
        revision=reading.revision,
        created=_some(applied.created),
        changed=_some(applied.changed),
        disabled=_some(applied.disabled),
    )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - TOLD} more" if len(names) > TOLD else ""
    return ", ".join(names[:TOLD]) + more
