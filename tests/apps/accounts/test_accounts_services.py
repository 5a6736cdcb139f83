"""Users, tokens and credentials in the real database."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from apps.accounts import selectors, services
from apps.accounts.domain.envelope import SealError
from apps.accounts.models import ApiToken, Credential, User
from tradebot.contracts.errors import InvalidField

KEY, SECRET = "ObviouslyMadeUpKey-A1B2", "ObviouslyMadeUpSecret-C3D4"


def _credential(user: User, venue: str = "paper") -> Credential:
    return services.save_credential(user=user, venue=venue, api_key=KEY, secret=SECRET, label="main")


# --- users -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": "alice"}, "name"),
        ({"name": "no spaces please"}, "name"),
        ({"name": "carol", "time_zone": "Mars/Olympus"}, "time_zone"),
        ({"name": "carol", "time_zone": "../../etc/passwd"}, "time_zone"),
        ({"name": "carol", "password": "12345678"}, "password"),
    ],
)
def test_a_bad_user_is_refused_by_field(alice: User, given: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        services.create_user(**given)  # type: ignore[arg-type]
    assert caught.value.field == field
    assert "12345678" not in str(caught.value)


def test_a_user_without_password_can_not_log_in(alice: User) -> None:
    assert not alice.has_usable_password()
    assert selectors.user(alice.pk) == selectors.UserView(alice.pk, "alice", "UTC", is_active=True, is_staff=False)


# --- tokens ----------------------------------------------------------------------------------------------------------


def test_a_token_opens_its_users_door_and_only_its_hash_is_kept(alice: User) -> None:
    row, plain = services.issue_token(user=alice, name="laptop", scopes=["ingest"])
    used = services.use_token(plain=plain)
    assert used is not None
    assert (used.user, used.scopes) == (alice, ["ingest"])
    stored = json.dumps(ApiToken.objects.filter(pk=row.pk).values("name", "prefix", "digest").get())
    assert plain not in stored


def test_expired_revoked_and_inactive_tokens_open_nothing(alice: User, bob: User) -> None:
    expired, expired_text = services.issue_token(user=alice, name="old")
    ApiToken.objects.filter(pk=expired.pk).update(expires_at=timezone.now())
    revoked, revoked_text = services.issue_token(user=alice, name="lost")
    services.revoke_token(token_id=revoked.pk)
    _, inactive_text = services.issue_token(user=bob, name="bob's")
    User.objects.filter(pk=bob.pk).update(is_active=False)
    for plain in (expired_text, revoked_text, inactive_text, "tb_never-issued", "", "ünknown"):
        assert services.use_token(plain=plain) is None


def test_use_is_noted_at_most_once_a_minute(alice: User) -> None:
    row, plain = services.issue_token(user=alice, name="laptop")
    services.use_token(plain=plain)
    first = ApiToken.objects.get(pk=row.pk).last_used_at
    assert first is not None
    services.use_token(plain=plain)
    assert ApiToken.objects.get(pk=row.pk).last_used_at == first
    ApiToken.objects.filter(pk=row.pk).update(last_used_at=first - timedelta(seconds=61))
    services.use_token(plain=plain)
    noted = ApiToken.objects.get(pk=row.pk).last_used_at
    assert noted is not None
    assert noted >= first


@pytest.mark.parametrize(("more", "field"), [({"scopes": ["root"]}, "scopes"), ({"days": 0}, "expires_at")])
def test_a_token_with_unknown_powers_or_no_life_is_refused(alice: User, more: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        services.issue_token(user=alice, name="odd", **more)  # type: ignore[arg-type]
    assert caught.value.field == field


# --- credentials -----------------------------------------------------------------------------------------------------


def test_keys_are_sealed_in_the_table_and_open_for_execution(alice: User) -> None:
    row = _credential(alice)
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(c)::text FROM accounts_credential c")
        ((stored,),) = cursor.fetchall()
    assert KEY not in stored
    assert SECRET not in stored
    opened = services.open_credential(row.pk)
    assert (opened.venue, opened.api_key, opened.secret.reveal()) == ("paper", KEY, SECRET)
    assert KEY not in repr(opened)
    assert SECRET not in repr(opened)


def test_keys_swapped_between_rows_do_not_open(alice: User, bob: User) -> None:
    mine, theirs = _credential(alice), _credential(bob)
    Credential.objects.filter(pk=mine.pk).update(envelope=theirs.envelope)
    with pytest.raises(SealError):
        services.open_credential(mine.pk)


def test_a_row_given_to_another_user_does_not_open(alice: User, bob: User) -> None:
    row = _credential(alice)
    Credential.objects.filter(pk=row.pk).update(user=bob)
    with pytest.raises(SealError):
        services.open_credential(row.pk)


def test_a_credential_waits_until_a_worker_has_asked_the_venue(alice: User) -> None:
    row = _credential(alice)
    assert [view.id for view in selectors.pending_credentials()] == [row.pk]
    assert selectors.default_credential(alice.pk) is None
    services.mark_credential(credential_id=row.pk, active=True)
    assert selectors.pending_credentials() == ()
    found = selectors.default_credential(alice.pk)
    assert found is not None
    assert (found.id, found.is_default) == (row.pk, True)


def test_refused_keys_say_why(alice: User) -> None:
    row = _credential(alice, venue="binance")
    services.mark_credential(credential_id=row.pk, active=False, reason="-2015 Invalid API-key" + "x" * 400)
    row.refresh_from_db()
    assert (row.status, row.status_reason[:21], row.is_default) == ("refused", "-2015 Invalid API-key", False)


def test_only_the_first_paper_account_becomes_the_default_and_another_can_take_over(alice: User) -> None:
    first, second = _credential(alice), _credential(alice)
    assert (first.is_default, second.is_default) == (True, False)
    services.make_default(credential_id=second.pk)
    assert list(Credential.objects.filter(is_default=True).values_list("pk", flat=True)) == [second.pk]


def test_real_money_is_never_the_default(alice: User) -> None:
    with pytest.raises(InvalidField) as caught:
        services.save_credential(user=alice, venue="binance", api_key=KEY, secret=SECRET, is_default=True)
    assert caught.value.field == "is_default"


def test_deleting_destroys_the_keys_and_keeps_the_row(alice: User) -> None:
    row = _credential(alice)
    services.delete_credential(credential_id=row.pk)
    services.mark_credential(credential_id=row.pk, active=True)
    row.refresh_from_db()
    assert (row.envelope, row.status, row.is_default) == ({}, "refused", False)
    assert selectors.default_credential(alice.pk) is None
    with pytest.raises(InvalidField, match="unknown or deleted"):
        services.open_credential(row.pk)


def test_new_keys_are_checked_again(alice: User) -> None:
    row = _credential(alice)
    services.mark_credential(credential_id=row.pk, active=True)
    services.replace_keys(credential_id=row.pk, api_key="AnotherMadeUpKey-E5F6", secret="AnotherMadeUpSecret")
    row.refresh_from_db()
    assert (row.status, row.key_hint) == ("pending", "E5F6")
    assert services.open_credential(row.pk).secret.reveal() == "AnotherMadeUpSecret"


@pytest.mark.parametrize(("api_key", "secret", "field"), [("", SECRET, "api_key"), (KEY, "  ", "secret")])
def test_empty_keys_are_refused(alice: User, api_key: str, secret: str, field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        services.save_credential(user=alice, venue="paper", api_key=api_key, secret=secret)
    assert caught.value.field == field


def test_of_a_short_key_no_hint_is_kept(alice: User) -> None:
    assert services.save_credential(user=alice, venue="paper", api_key="short", secret=SECRET).key_hint == ""


# --- rotation --------------------------------------------------------------------------------------------------------


def test_after_rotation_the_old_key_can_go(
    alice: User, bob: User, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [_credential(user) for user in (alice, bob, alice)]
    services.delete_credential(credential_id=_credential(bob).pk)
    newest = Fernet.generate_key().decode()
    settings.CREDENTIAL_KEYS = [newest, *settings.CREDENTIAL_KEYS]
    call_command("rotate_keys")
    assert "3 rewrapped" in capsys.readouterr().out
    settings.CREDENTIAL_KEYS = [newest]
    assert [services.open_credential(row.pk).secret.reveal() for row in rows] == [SECRET] * 3
    call_command("rotate_keys")
    assert "0 rewrapped" in capsys.readouterr().out


def test_rotation_goes_in_batches_and_ends(alice: User) -> None:
    rows = sorted(_credential(alice).pk for _ in range(3))
    first = services.rotate_batch(after=uuid.UUID(int=0), size=2)
    assert first is not None
    assert (first.last, first.seen) == (rows[1], 2)
    assert services.rotate_batch(after=rows[2], size=2) is None


def test_rotation_without_the_old_key_stops_with_the_remedy(alice: User, settings: Settings) -> None:
    row = _credential(alice)
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(CommandError, match="put the retired key back"):
        call_command("rotate_keys")
    assert Credential.objects.get(pk=row.pk).envelope == row.envelope
