"""Statements sent together: each one's answer in order, errors as Django's, plans kept, broken connections noticed."""

from __future__ import annotations

import pytest
from celery.signals import task_prerun
from django.db import DataError, IntegrityError, OperationalError, connection, transaction

import tradebot.celery
from apps.accounts.models import User
from tradebot import sql

pytestmark = pytest.mark.django_db

RENAME = "UPDATE accounts_user SET first_name = %s"


def people() -> None:
    for name in ("ann", "bob"):
        User.objects.create(username=name)


def test_each_statement_gives_its_own_answer_in_the_order_asked() -> None:
    people()
    renamed, names = sql.together(
        (RENAME, ["Eve"]), ("SELECT username, first_name FROM accounts_user ORDER BY username", [])
    )
    assert len(renamed) == 2
    assert names == [("ann", "Eve"), ("bob", "Eve")]


def test_a_statement_that_reaches_nothing_gives_nothing() -> None:
    assert sql.together((RENAME, ["Eve"]), ("SELECT id FROM accounts_user", [])) == [[], []]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (("INSERT INTO accounts_user SELECT * FROM accounts_user", ()), IntegrityError),
        (("SELECT 1 / %s::int", (0,)), DataError),
    ],
)
def test_one_that_fails_raises_djangos_error_and_undoes_the_others(wrong: sql.Query, error: type[Exception]) -> None:
    people()
    with pytest.raises(error), transaction.atomic():
        sql.together((RENAME, ["Eve"]), wrong, (RENAME, ["Mallory"]))
    assert set(User.objects.values_list("first_name", flat=True)) == {""}


def test_postgresql_keeps_the_plan_of_what_a_connection_sends_often() -> None:
    for number in range(10):
        assert sql.together(("SELECT %s::int + 4242", [number])) == [[(number + 4242,)]]
    with connection.cursor() as cursor:
        cursor.execute("SELECT generic_plans + custom_plans FROM pg_prepared_statements WHERE statement LIKE '%4242%'")
        [(plans,)] = cursor.fetchall()
    assert plans >= 5


@pytest.mark.django_db(transaction=True)
def test_after_the_database_dropped_a_connection_the_next_task_gets_a_new_one() -> None:
    task_prerun.send(sender=None)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        cut_off = cursor.fetchone()[0]
    _terminate(cut_off)
    with pytest.raises(OperationalError):
        sql.together(("SELECT 1", []))
    task_prerun.send(sender=None)
    assert sql.together(("SELECT 1", [])) == [[(1,)]]


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_broke_while_idle_is_replaced_before_a_task_meets_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        cut_off = cursor.fetchone()[0]
    _terminate(cut_off)
    monkeypatch.setattr(tradebot.celery._own, "last_task", tradebot.celery.monotonic() - 60, raising=False)
    task_prerun.send(sender=None)
    assert sql.together(("SELECT 1", [])) == [[(1,)]]


def _terminate(backend: int) -> None:
    with connection.copy().cursor() as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])


def test_a_statement_of_many_values_is_numbered_in_order() -> None:
    columns = ", ".join(["%s::int"] * 60)
    assert sql.together((f"SELECT {columns}", list(range(60)))) == [[tuple(range(60))]]


def test_a_percent_sign_is_written_twice() -> None:
    assert sql.together(("SELECT 'tradebot' LIKE 'trade%%', %s::int", [7])) == [[(True, 7)]]


def test_two_rooms_ask_in_one_round_trip() -> None:
    people()
    count = sql.Reading(("SELECT count(*) FROM accounts_user", []), lambda rows: int(rows[0][0]))
    first = sql.Reading(("SELECT min(username) FROM accounts_user", []), lambda rows: str(rows[0][0]))
    assert sql.both(count, first) == (2, "ann")
    assert count.now() == 2


def test_in_a_broken_transaction_nothing_is_asked() -> None:
    with transaction.atomic():
        connection.set_rollback(True)
        with pytest.raises(transaction.TransactionManagementError):
            sql.together(("SELECT 1", []))
