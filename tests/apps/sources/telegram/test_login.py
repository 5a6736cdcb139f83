"""manage.py telegram_login against an MTProto server: code, password, wrong answers, and what is shown of it all."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command

from apps.sources import telegram_sessions
from apps.sources.models import Source
from apps.sources.models_telegram import TelegramSession
from tests.apps.sources.telegram.conftest import API, CODE, PHONE, Crawlers
from tests.outside.telegram.process import OutsideTelegram

pytestmark = pytest.mark.django_db

PASSWORD = "a made-up password"


@pytest.fixture
def source(telegram: OutsideTelegram, monkeypatch: pytest.MonkeyPatch) -> Source:
    monkeypatch.setenv("SAMPLE_TELEGRAM_HASH", API["api_hash"])
    monkeypatch.setenv("SAMPLE_TELEGRAM_KEY", telegram.key)
    config = {
        "channel": "sample",
        "api_id": API["api_id"],
        "api_hash": "env:SAMPLE_TELEGRAM_HASH",
        "server": telegram.mtproto,
        "server_key": "env:SAMPLE_TELEGRAM_KEY",
    }
    return Source.objects.create(name="telegram:sample", kind="telegram", config=config)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a person types: in turn, shown or hidden."""

    def answers(*given: str, hidden: tuple[str, ...] = ()) -> None:
        left, secret = iter(given), iter(hidden)
        monkeypatch.setattr("builtins.input", lambda *_: _next(left))
        monkeypatch.setattr("workers.management.commands.telegram_login.getpass", lambda *_: _next(secret))

    return answers


def _next(answers: Iterator[str]) -> str:
    return next(answers)


def login(*arguments: str) -> str:
    shown = io.StringIO()
    call_command("telegram_login", *arguments, stdout=shown)
    return shown.getvalue()


@pytest.mark.usefixtures("source")
def test_the_session_is_stored_sealed_and_never_shown(telegram: OutsideTelegram, typed: Any) -> None:
    telegram.do("account", phone=PHONE, code=CODE)
    typed(f"+{PHONE}", CODE)
    shown = login()
    opened = telegram_sessions.open_session("default")
    assert opened is not None
    assert opened[1] == int(PHONE)
    assert "session 'default' is stored" in shown
    assert opened[0].reveal() not in shown
    assert opened[0].reveal() not in str(TelegramSession.objects.get().envelope)


@pytest.mark.usefixtures("source")
def test_a_two_step_password_is_asked_for(telegram: OutsideTelegram, typed: Any) -> None:
    telegram.do("account", phone=PHONE, code=CODE, password=PASSWORD)
    typed(f"+{PHONE}", "99999", CODE, hidden=("wrong", PASSWORD))
    assert PASSWORD not in login()
    assert telegram_sessions.open_session("default") is not None


@pytest.mark.usefixtures("source")
@pytest.mark.parametrize(
    ("shown", "hidden", "reason"),
    [
        (["+4900"], (), "knows no account with this number"),
        ([f"+{PHONE}", "1", "2", "3"], (), "the code was wrong 3 times"),
        ([f"+{PHONE}", CODE], ("a", "b", "c"), "the password was wrong 3 times"),
    ],
)
def test_wrong_answers_store_nothing(
    telegram: OutsideTelegram, typed: Any, shown: list[str], hidden: tuple[str, ...], reason: str
) -> None:
    telegram.do("account", phone=PHONE, code=CODE, password=PASSWORD)
    typed(*shown, hidden=hidden)
    with pytest.raises(CommandError, match=reason):
        login()
    assert not TelegramSession.objects.exists()


@pytest.mark.usefixtures("source")
def test_flood_wait_is_told(telegram: OutsideTelegram, typed: Any) -> None:
    telegram.do("account", phone=PHONE, code=CODE)
    telegram.rpc_fails("SendCodeRequest", 420, "FLOOD_WAIT_3600")
    typed(f"+{PHONE}")
    with pytest.raises(CommandError, match="the limit is reached until"):
        login()


def test_a_secret_is_no_argument(telegram: OutsideTelegram) -> None:
    with pytest.raises(CommandError, match="a command line is no secret place"):
        login("--api-hash", "0123456789abcdef")


@pytest.mark.usefixtures("source")
def test_a_new_login_replaces_the_old_one_and_one_can_be_destroyed(telegram: OutsideTelegram, typed: Any) -> None:
    telegram.do("account", phone=PHONE, code=CODE)
    for _ in range(2):
        typed(f"+{PHONE}", CODE)
        login()
    assert TelegramSession.objects.count() == 1
    assert "end it at Telegram too" in login("--forget")
    with pytest.raises(CommandError, match="there is no session"):
        login("--forget")


@pytest.mark.usefixtures("logged_in")
def test_sessions_are_rewrapped_with_the_credentials(
    telegram: OutsideTelegram, crawler: Crawlers, settings: Any
) -> None:
    telegram.post("sample", "words")
    old = settings.CREDENTIAL_KEYS[0]
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode(), old]
    call_command("rotate_keys", stdout=io.StringIO())
    settings.CREDENTIAL_KEYS = settings.CREDENTIAL_KEYS[:1]
    assert [message.data for message in crawler(mode="client").fetch()] == ["words"]
