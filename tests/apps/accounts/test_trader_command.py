"""`manage.py trader` against a running paper exchange."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from apps.accounts import services
from apps.accounts.models import Credential, User
from apps.exchanges import selectors as exchanges
from apps.exchanges.adapters import connect
from tests.apps.exchanges.paper_process import TOKEN, PaperProcess
from workers.traders import read_deposits

Printed = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperProcess]:
    process = PaperProcess(tmp_path_factory.mktemp("paper") / "ledger.db")
    yield process
    process.stop()


@pytest.fixture(autouse=True)
def paper_settings(paper: PaperProcess, settings: Settings) -> None:
    settings.PAPER_EXCHANGE_URL = paper.url
    settings.PAPER_EXCHANGE_TOKEN = TOKEN


def _trader(printed: Printed, *arguments: str) -> dict[str, str]:
    call_command("trader", "carol", *arguments)
    told: dict[str, str] = json.loads(printed.readouterr().out)
    return told


def test_a_new_trader_can_trade_at_once(capsys: Printed) -> None:
    told = _trader(capsys, "--deposit", "USDT=10000", "--deposit", "BTC=0.5", "--scope", "ingest")
    assert set(told) == {"user_id", "token", "credential_id"}
    token = services.use_token(plain=told["token"])
    assert token is not None
    assert (str(token.user_id), token.user.username, token.scopes) == (told["user_id"], "carol", ["ingest"])
    row = Credential.objects.get(pk=told["credential_id"])
    assert (row.status, row.venue, row.is_default, row.opens_account) == ("active", "paper", True, False)
    opened = services.open_credential(row.pk)
    venue = exchanges.venue("paper")
    assert venue is not None
    balances = connect(venue, opened.api_key, opened.secret.reveal()).balances()
    assert (balances["USDT"].free, balances["BTC"].free) == (Decimal(10_000), Decimal("0.5"))


def test_a_known_trader_gets_a_token_and_keeps_the_account(capsys: Printed) -> None:
    first, second = _trader(capsys), _trader(capsys, "--deposit", "USDT=5")
    assert [first[key] == second[key] for key in ("user_id", "credential_id", "token")] == [True, True, False]
    assert User.objects.filter(username="carol").count() == 1


def test_on_standard_output_stands_nothing_else(capsys: Printed) -> None:
    _trader(capsys)
    call_command("trader", "carol")
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 1
    assert "nothing was deposited" in printed.err
    call_command("trader", "carol", "--json")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "text", ["10000", "USDT", "USDT=", "USDT=-5", "USDT=0", "usdt=5", "USDT=1e9", "USDT=NaN", "=5"]
)
def test_a_bad_deposit_is_refused_with_the_remedy(text: str) -> None:
    with pytest.raises(CommandError, match="as USDT=10000"):
        call_command("trader", "carol", f"--deposit={text}")
    assert not User.objects.filter(username="carol").exists()


def test_an_asset_is_given_once() -> None:
    with pytest.raises(CommandError, match="USDT is given twice"):
        call_command("trader", "carol", "--deposit=USDT=1", "--deposit=USDT=2")
    assert read_deposits(["USDT=1", "BTC=0.5"]) == {"USDT": Decimal(1), "BTC": Decimal("0.5")}


def test_a_bad_name_is_refused_by_field() -> None:
    with pytest.raises(CommandError, match=r"^name: "):
        call_command("trader", "no spaces please")


def test_without_the_exchange_no_credential_is_left_behind(settings: Settings, capsys: Printed) -> None:
    settings.PAPER_EXCHANGE_URL = None
    with pytest.raises(CommandError, match="PAPER_EXCHANGE_URL"):
        call_command("trader", "carol")
    assert not Credential.objects.exists()
    assert capsys.readouterr().out == ""
