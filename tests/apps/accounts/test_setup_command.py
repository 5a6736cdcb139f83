"""`manage.py setup` makes an empty database ready, and undoes nothing when it runs again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command
from django_celery_beat.models import PeriodicTask
from pytest_django.fixtures import Settings

from apps.accounts.models import User
from apps.exchanges import selectors as exchanges
from apps.exchanges.models import Venue
from apps.signals.models import Coin
from apps.trading.models import RiskPolicy
from tests.apps.exchanges.paper_process import TOKEN, PaperProcess
from workers.topology import SCHEDULES

PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperProcess]:
    process = PaperProcess(tmp_path_factory.mktemp("paper") / "ledger.db")
    yield process
    process.stop()


@pytest.fixture(autouse=True)
def installation(paper: PaperProcess, settings: Settings) -> Iterator[None]:
    settings.PAPER_EXCHANGE_URL, settings.PAPER_EXCHANGE_TOKEN = paper.url, TOKEN
    settings.ADMIN_PASSWORD = PASSWORD
    exchanges.forget()
    yield
    exchanges.forget()


def test_an_empty_database_becomes_ready() -> None:
    Venue.objects.all().delete()
    call_command("setup")
    admin = User.objects.get(username="admin")
    assert (admin.is_superuser, admin.check_password(PASSWORD)) == (True, True)
    assert exchanges.tradable("paper", "BTC", "USDT") is not None
    assert Coin.objects.filter(symbol="BTC").exists()
    assert RiskPolicy.objects.filter(user=None).count() == 1
    tasks = dict(PeriodicTask.objects.values_list("name", "task"))
    assert {name: tasks[name] for name in SCHEDULES} == {name: task for name, (task, _) in SCHEDULES.items()}


def test_a_task_that_nobody_took_expires_when_the_next_is_due() -> None:
    call_command("setup")
    expiries = dict(PeriodicTask.objects.values_list("name", "expire_seconds"))
    assert {name: expiries[name] for name in SCHEDULES} == {name: int(every) for name, (_, every) in SCHEDULES.items()}


def test_an_operators_changes_stay() -> None:
    call_command("setup")
    admin = User.objects.get(username="admin")
    admin.set_password("changed by hand, 7 words or so")
    admin.save()
    name = next(iter(SCHEDULES))
    PeriodicTask.objects.filter(name=name).update(enabled=False)
    RiskPolicy.objects.filter(user=None).update(kill_switch="halted")
    call_command("setup")
    assert User.objects.get(username="admin").check_password("changed by hand, 7 words or so")
    assert PeriodicTask.objects.get(name=name).enabled is False
    assert RiskPolicy.objects.get(user=None).kill_switch == "halted"


@pytest.mark.parametrize(("password", "said"), [(None, "ADMIN_PASSWORD: must be set"), ("12345678", "too common")])
def test_no_or_a_weak_admin_password_is_refused(settings: Settings, password: str | None, said: str) -> None:
    settings.ADMIN_PASSWORD = password
    with pytest.raises(CommandError, match=said) as caught:
        call_command("setup")
    assert "12345678" not in str(caught.value)
    assert not User.objects.filter(username="admin").exists()


def test_without_the_paper_exchange_it_says_what_to_set(settings: Settings) -> None:
    settings.PAPER_EXCHANGE_URL = None
    with pytest.raises(CommandError, match="PAPER_EXCHANGE_URL"):
        call_command("setup")
