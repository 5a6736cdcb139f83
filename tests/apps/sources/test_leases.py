"""One fetch of a source at a time, whoever asks and whoever dies."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from apps.sources import leases, node_selectors
from apps.sources.leases import LeaseLost, holding
from apps.sources.models import Source

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def source(transactional_db: None) -> None:
    Source.objects.create(name="feed", kind="rss")


def row() -> Source:
    return Source.objects.get(name="feed")


def elsewhere(work: Callable[[], Any]) -> Any:
    """In another thread, so on another connection."""

    def run() -> Any:
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result(30)


def takes(node: str = "other@host") -> bool:
    with holding("feed", node) as lease:
        return lease is not None


def let_it_expire() -> None:
    Source.objects.update(leased_until=timezone.now() - timedelta(seconds=1))


def test_who_holds_it_is_the_only_one() -> None:
    with holding("feed", "crawl@one") as lease:
        assert lease
        assert not elsewhere(takes)
        assert not takes("crawl@one")
        assert leases.node_of(row().leased_by) == "crawl@one"
        assert node_selectors.held() == {"crawl@one": ["feed"]}
    assert row().leased_by == ""
    assert row().leased_until is None
    assert elsewhere(takes)


def test_it_is_given_back_when_the_fetch_breaks() -> None:
    with pytest.raises(ZeroDivisionError), holding("feed", "crawl@one"):
        raise ZeroDivisionError
    assert takes()


def test_of_many_that_ask_at_once_one_gets_it() -> None:
    start, done = threading.Barrier(8), threading.Barrier(8)

    def one() -> bool:
        start.wait(10)
        with holding("feed", "crawl@one") as lease:
            done.wait(10)
        connection.close()
        return lease is not None

    with ThreadPoolExecutor(8) as pool:
        found = [pool.submit(one) for _ in range(8)]
    assert [future.result() for future in found].count(True) == 1


def test_a_source_that_is_not_there_can_not_be_held() -> None:
    with holding("nothing", "crawl@one") as lease:
        assert lease is None


def test_a_lease_is_renewed_while_the_fetch_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "LEASE_SECONDS", 0.6)
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.15)
    with holding("feed", "crawl@one") as lease:
        assert lease
        first = row().leased_until
        assert first
        with ThreadPoolExecutor(1) as pool:
            waited = threading.Event()
            pool.submit(waited.wait, 1.5).result()
        assert not lease.lost
        assert (row().leased_until or first) > first
        assert not elsewhere(takes)
        lease.require()


def test_a_holder_that_stood_still_learns_that_it_lost_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEW_SECONDS", 3600.0)
    with holding("feed", "crawl@one") as lease:
        assert lease
        let_it_expire()
        with holding("feed", "crawl@two") as other:
            assert other
            with pytest.raises(LeaseLost, match="feed: another node may fetch it by now"):
                lease.require()
            assert lease.lost
            other.require()
    assert row().leased_by == ""


def test_who_lost_it_does_not_give_back_what_is_anothers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEW_SECONDS", 3600.0)
    first = holding("feed", "crawl@one")
    first.__enter__()
    let_it_expire()
    with holding("feed", "crawl@two") as other:
        first.__exit__(None, None, None)
        assert leases.node_of(row().leased_by) == "crawl@two"
        assert other
        other.require()


def test_an_expired_lease_can_not_be_renewed_though_nobody_took_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the two somebody may have fetched and ended."""
    monkeypatch.setattr(leases, "RENEW_SECONDS", 3600.0)
    with holding("feed", "crawl@one") as lease:
        assert lease
        let_it_expire()
        with pytest.raises(LeaseLost):
            lease.require()


def test_by_its_own_clock_alone_a_holder_knows_that_it_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "LEASE_SECONDS", 0.05)
    monkeypatch.setattr(leases, "RENEW_SECONDS", 3600.0)
    with holding("feed", "crawl@one") as lease:
        assert lease
        threading.Event().wait(0.1)
        assert lease.lost
        with pytest.raises(LeaseLost):
            lease.require()


def test_what_is_free_and_what_was_left_behind() -> None:
    now = datetime.now(UTC)
    assert Source.objects.filter(leases.free(now)).exists()
    assert not Source.objects.filter(leases.abandoned(now)).exists()
    with holding("feed", "crawl@one"):
        assert not Source.objects.filter(leases.free(now)).exists()
        assert not Source.objects.filter(leases.abandoned(now)).exists()
        later = now + timedelta(seconds=leases.LEASE_SECONDS + 1)
        assert Source.objects.filter(leases.free(later)).exists()
        assert Source.objects.filter(leases.abandoned(later)).exists()


def test_a_long_name_of_a_node_fits() -> None:
    with holding("feed", "x" * 300) as lease:
        assert lease
        assert len(row().leased_by) <= 200
