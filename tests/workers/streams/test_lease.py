"""Whose account it is: locks of PostgreSQL, on a connection of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from django.db import connection

from workers.streams import lease as leases
from workers.streams.lease import Lease, LeaseLost
from workers.streams.wanted import SCAN, SCAN_PARAMS

pytestmark = pytest.mark.django_db(transaction=True)


def play(scene: Callable[[Lease, Lease], Awaitable[None]]) -> None:
    async def both() -> None:
        async with leases.opened() as mine, leases.opened() as yours:
            await scene(mine, yours)

    asyncio.run(both())


def test_a_name_belongs_to_one() -> None:
    async def scene(mine: Lease, yours: Lease) -> None:
        assert await mine.take(["ann", "bob"]) == {"ann", "bob"}
        assert await yours.take(["ann", "cleo"]) == {"cleo"}
        assert mine.held == {"ann", "bob"}

    play(scene)


def test_asking_again_for_what_one_has_takes_nothing_twice() -> None:
    async def scene(mine: Lease, yours: Lease) -> None:
        await mine.take(["ann"])
        assert await mine.take(["ann"]) == frozenset()
        await mine.give_back(["ann"])
        assert await yours.take(["ann"]) == {"ann"}

    play(scene)


def test_the_end_of_a_connection_frees_what_it_held() -> None:
    async def scene(mine: Lease, yours: Lease) -> None:
        await mine.take(["ann"])
        await mine._connection.close()
        with pytest.raises(LeaseLost):
            await mine.take(["bob"])
        async with asyncio.timeout(5):
            while not await yours.take(["ann"]):  # noqa: ASYNC110 - the server frees it when it notices
                await asyncio.sleep(0.01)

    play(scene)


def test_a_connection_that_the_database_ends_is_noticed() -> None:
    async def scene(mine: Lease, yours: Lease) -> None:
        ((pid,),) = await mine.fetch("SELECT pg_backend_pid()", [])
        await yours.fetch("SELECT pg_terminate_backend(%s)", [pid])
        with pytest.raises(LeaseLost):
            await mine.fetch("SELECT 1", [])

    play(scene)


def test_a_database_that_does_not_answer_is_a_lost_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "ANSWER_SECONDS", 0.1)

    async def scene(mine: Lease, yours: Lease) -> None:
        with pytest.raises(LeaseLost):
            await mine.fetch("SELECT pg_sleep(5)", [])

    play(scene)


def test_the_scan_runs_on_it() -> None:
    async def scene(mine: Lease, yours: Lease) -> None:
        assert await mine.fetch(SCAN, SCAN_PARAMS) == []

    play(scene)


def test_a_database_out_of_reach_is_a_lost_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "PORT", "1")

    async def scene(mine: Lease, yours: Lease) -> None:
        raise AssertionError("there is nothing to connect to")

    with pytest.raises(LeaseLost):
        play(scene)
