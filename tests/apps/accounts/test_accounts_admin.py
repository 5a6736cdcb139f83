"""Operators type secrets into the admin; no page, row or log entry shows them again."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts import services
from apps.accounts.models import ApiToken, Credential, User

KEY, SECRET = "TypedByAnOperatorKey-A1B2", "TypedByAnOperatorSecret-C3D4"


@pytest.fixture
def operator(client: Client, db: None) -> Client:
    client.force_login(services.create_user(name="operator", staff=True))
    return client


def _pages(operator: Client, row: Credential) -> str:
    change = reverse("admin:accounts_credential_change", args=[row.pk])
    user = reverse("admin:accounts_user_change", args=[row.user_id])
    addresses = (
        change,
        user,
        reverse("admin:accounts_credential_history", args=[row.pk]),
        reverse("admin:accounts_credential_changelist"),
        reverse("admin:index"),
    )
    answers = [operator.get(address) for address in addresses]
    assert {answer.status_code for answer in answers} == {200}
    return "".join(answer.content.decode() for answer in answers)


def _whole_database() -> str:
    rows: list[str] = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT row_to_json(t)::text FROM "{table}" t')
            rows += [text for (text,) in cursor.fetchall()]
    return "\n".join(rows)


def _add(operator: Client, user: User, **more: str) -> Any:
    body = {"user": str(user.pk), "venue": "paper", "label": "main", "api_key": KEY, "secret": SECRET, **more}
    return operator.post(reverse("admin:accounts_credential_add"), body, follow=True)


def test_typed_keys_are_sealed_and_never_shown(operator: Client, alice: User) -> None:
    answer = _add(operator, alice)
    row = Credential.objects.get(user=alice)
    assert (row.status, services.open_credential(row.pk).secret.reveal()) == ("pending", SECRET)
    for shown in (answer.content.decode(), _pages(operator, row), _whole_database()):
        assert "main" in shown
        assert KEY not in shown
        assert SECRET not in shown


def test_an_error_in_another_field_does_not_echo_keys(operator: Client, alice: User) -> None:
    answer = _add(operator, alice, venue="not a slug!")
    assert not Credential.objects.exists()
    assert "Enter a valid" in answer.content.decode()
    assert KEY not in answer.content.decode()
    assert SECRET not in answer.content.decode()


@pytest.mark.parametrize("missing", ["api_key", "secret"])
def test_key_and_secret_belong_together(operator: Client, alice: User, missing: str) -> None:
    answer = _add(operator, alice, **{missing: ""})
    assert "belong together" in answer.content.decode()
    assert not Credential.objects.exists()


def test_keys_are_replaced_only_when_both_are_typed(operator: Client, alice: User) -> None:
    row = services.save_credential(user=alice, venue="paper", api_key=KEY, secret=SECRET)
    services.mark_credential(credential_id=row.pk, active=True)
    change = reverse("admin:accounts_credential_change", args=[row.pk])
    operator.post(change, {"label": "renamed", "api_key": "", "secret": ""})
    row.refresh_from_db()
    assert (row.label, row.status) == ("renamed", "active")
    operator.post(change, {"label": "renamed", "api_key": "ReplacedKey-E5F6", "secret": "ReplacedSecret"})
    row.refresh_from_db()
    assert (row.status, services.open_credential(row.pk).secret.reveal()) == ("pending", "ReplacedSecret")


def test_destroyed_keys_leave_the_list(operator: Client, alice: User) -> None:
    row = services.save_credential(user=alice, venue="paper", api_key=KEY, secret=SECRET)
    listing = reverse("admin:accounts_credential_changelist")
    operator.post(listing, {"action": "destroy_keys", "_selected_action": [str(row.pk)]})
    assert Credential.objects.get().envelope == {}
    assert str(row.pk) not in operator.get(listing).content.decode()
    assert operator.post(reverse("admin:accounts_credential_delete", args=[row.pk])).status_code in {302, 403}


def test_a_new_token_is_shown_once_and_kept_nowhere(operator: Client, alice: User) -> None:
    ends = timezone.now() + timedelta(days=30)
    body = {"user": str(alice.pk), "name": "laptop", "scopes": ["ingest"]}
    moment = {"expires_at_0": f"{ends:%Y-%m-%d}", "expires_at_1": "12:00:00"}
    answer = operator.post(reverse("admin:accounts_apitoken_add"), {**body, **moment}, follow=True)
    found = re.search(r"never shown again: (tb_[\w-]{43})", answer.content.decode())
    assert found is not None
    token = services.use_token(plain=found[1])
    assert token is not None
    assert (token.user, token.scopes) == (alice, ["ingest"])
    assert found[1] not in _whole_database()
    again = operator.get(reverse("admin:accounts_apitoken_changelist")).content.decode()
    assert found[1] not in again
    assert token.digest not in again
    assert LogEntry.objects.filter(object_id=str(token.pk)).exists()


def test_a_token_is_revoked_from_the_list(operator: Client, alice: User) -> None:
    row, plain = services.issue_token(user=alice, name="lost")
    listing = reverse("admin:accounts_apitoken_changelist")
    operator.post(listing, {"action": "revoke", "_selected_action": [str(row.pk)]})
    assert services.use_token(plain=plain) is None
    assert ApiToken.objects.get(pk=row.pk).revoked_at is not None


def test_the_admin_is_closed_to_traders(client: Client, alice: User) -> None:
    client.force_login(alice)
    for name in ("index", "accounts_credential_changelist", "accounts_apitoken_add"):
        assert client.get(reverse(f"admin:{name}")).status_code == 302
