"""Who fetches a source just now: one lease each, in its row, so that several nodes never fetch the same at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from uuid import uuid4

import structlog
from django.db import Error, connection
from django.db.models import Q

from apps.sources.models import Source
from tradebot.contracts.errors import TransientError

LEASE_SECONDS = 16.0
RENEW_SECONDS = 4.0
"""What is due is looked for every 5 s, so a dead node's source is fetched again within 22 s, within 30 s under load."""
_MARK = "#"
_NODE_LENGTH = 180

# The database's clock alone decides: those of the nodes may differ.
_TAKE = f"""
UPDATE {Source._meta.db_table} SET leased_by = %s, leased_until = clock_timestamp() + %s * interval '1 second'
WHERE name = %s AND (leased_until IS NULL OR leased_until <= clock_timestamp())
"""  # noqa: S608 - the table's own name
_RENEW = f"""
UPDATE {Source._meta.db_table} SET leased_until = clock_timestamp() + %s * interval '1 second'
WHERE name = %s AND leased_by = %s AND leased_until > clock_timestamp()
"""  # noqa: S608
_GIVE_BACK = f"""
UPDATE {Source._meta.db_table} SET leased_by = '', leased_until = NULL WHERE name = %s AND leased_by = %s
"""  # noqa: S608

log = structlog.get_logger(__name__)


class LeaseLost(TransientError):
    """Somebody else may fetch this source by now: nothing of this fetch may be published or remembered."""


def free(now: datetime) -> Q:
    """Sources that nobody fetches at `now`."""
    return Q(leased_until__isnull=True) | Q(leased_until__lte=now)


def abandoned(now: datetime) -> Q:
    """Sources whose fetch ended without giving them back: its node died, and they are due whatever their schedule."""
    return Q(leased_until__lte=now)


class Lease:
    """One source, ours until `deadline` (this machine's monotonic seconds), which renewals move on."""

    def __init__(self, source: str, holder: str, deadline: float) -> None:
        self.source = source
        self.holder = holder
        self._deadline = deadline
        self._ended = threading.Event()

    @property
    def lost(self) -> bool:
        """Whether somebody else may have it. Needs no round trip."""
        return time.monotonic() >= self._deadline

    def require(self) -> None:
        """Before anything leaves or is remembered: asks the database, and renews. Raises LeaseLost."""
        if not self._renew():
            raise LeaseLost(f"{self.source}: another node may fetch it by now; this fetch is dropped")

    def keep(self) -> None:
        """Renews until the lease is given back or lost; for a thread of its own."""
        try:
            while not self._ended.wait(RENEW_SECONDS) and not self.lost:
                try:
                    self._renew()
                except Error as error:
                    log.warning("lease_not_renewed", source=self.source, reason=str(error).strip())
                    connection.close()
        finally:
            connection.close()

    def end(self) -> None:
        """No renewals from now on."""
        self._ended.set()

    def _renew(self) -> bool:
        began = time.monotonic()
        if self.lost:
            return False
        ours = _changed(_RENEW, [LEASE_SECONDS, self.source, self.holder])
        self._deadline = began + LEASE_SECONDS if ours else began
        return ours


@contextmanager
def holding(source: str, node: str) -> Iterator[Lease | None]:
    """The source, ours for the length of the block; None when somebody else fetches it just now.

    `node` is the worker's name (Celery's hostname). A node that dies loses it LEASE_SECONDS after its last renewal.
    """
    lease = _take(source, node)
    if lease is None:
        yield None
        return
    keeper = threading.Thread(target=lease.keep, name=f"lease {source}", daemon=True)
    keeper.start()
    try:
        yield lease
    finally:
        lease.end()
        _give_back(lease)


def node_of(leased_by: str) -> str:
    """The node in a row's `leased_by`."""
    return leased_by.rpartition(_MARK)[0]


def _take(source: str, node: str) -> Lease | None:
    # One node may run the same source's task twice: the mark tells its fetches apart.
    holder = f"{node[:_NODE_LENGTH]}{_MARK}{uuid4().hex[:12]}"
    began = time.monotonic()
    if not _changed(_TAKE, [holder, LEASE_SECONDS, source]):
        return None
    return Lease(source, holder, began + LEASE_SECONDS)


def _give_back(lease: Lease) -> None:
    try:
        _changed(_GIVE_BACK, [lease.source, lease.holder])
    except Error as error:
        # It comes free by itself; what the block raised says more than this.
        log.warning("lease_not_given_back", source=lease.source, reason=str(error).strip())


def _changed(sql: str, params: Sequence[str | float]) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return bool(cursor.rowcount)
