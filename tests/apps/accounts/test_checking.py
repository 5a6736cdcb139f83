"""Checking new exchange keys: whatever is wrong with some, everybody's turn comes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.test import Client
from django.urls import reverse

from apps.accounts import selectors, services
from apps.accounts.models import Credential, User
from tests.apps.accounts.conftest import Api
from tradebot.contracts.errors import InvalidField, NotConfigured, VenueRejected, VenueUnavailable
from workers import credentials as checker

KEYS: dict[str, Any] = {"api_key": "ObviouslyMadeUpKey-A1B2", "secret": "ObviouslyMadeUpSecret-C3D4"}
PEM = "-----BEGIN PRIVATE KEY-----\nT2J2aW91c2x5TWFkZVVw\n-----END PRIVATE KEY-----\n"


def _account(user: User) -> UUID:
    return services.save_credential(user=user, venue="paper", **KEYS).pk


@pytest.fixture
def troubles(monkeypatch: pytest.MonkeyPatch) -> dict[UUID, Exception]:
    """Which credentials raise what when they are tried; the others are fine."""
    found: dict[UUID, Exception] = {}

    def attempt(view: selectors.CredentialView) -> None:
        if view.id in found:
            raise found[view.id]

    monkeypatch.setattr(checker, "_try", attempt)
    return found


def _state(credential_id: UUID) -> tuple[str, str]:
    row = Credential.objects.get(pk=credential_id)
    return row.status, row.status_reason


def test_a_hundred_keys_without_an_answer_keep_nobody_waiting(
    alice: User, bob: User, troubles: dict[UUID, Exception]
) -> None:
    troubles |= {_account(alice): VenueUnavailable("the venue is silent") for _ in range(100)}
    good = _account(bob)

    checker.check_pending()
    checker.check_pending()

    assert _state(good) == ("active", "")
    assert {_state(one) for one in troubles} == {("pending", "the venue is silent")}


def test_a_venue_that_is_set_up_wrongly_leaves_the_keys_pending_and_says_why(
    alice: User, troubles: dict[UUID, Exception]
) -> None:
    waiting = _account(alice)
    troubles[waiting] = NotConfigured("venue kraken has no test network")
    assert checker.check_pending() == 0
    assert _state(waiting) == ("pending", "venue kraken has no test network")


def test_an_unexpected_error_is_noted_and_the_others_are_checked(
    alice: User, bob: User, troubles: dict[UUID, Exception]
) -> None:
    odd = _account(alice)
    troubles[odd] = UnicodeEncodeError("latin-1", "secret text", 0, 1, "synthetic")
    good = _account(bob)

    assert checker.check_pending() == 1

    assert _state(good) == ("active", "")
    assert _state(odd) == ("pending", "could not be checked (UnicodeEncodeError); enter the keys again")


def test_a_check_that_ran_out_of_time_comes_last_the_next_time(
    alice: User, bob: User, troubles: dict[UUID, Exception]
) -> None:
    hung, good = _account(alice), _account(bob)
    troubles[hung] = SoftTimeLimitExceeded()

    with pytest.raises(SoftTimeLimitExceeded):
        checker.check_pending()

    assert [view.id for view in selectors.pending_credentials()] == [good, hung]


def test_a_venues_words_are_kept_whatever_is_in_them(alice: User, troubles: dict[UUID, Exception]) -> None:
    refused = _account(alice)
    troubles[refused] = VenueRejected("no\x00 \ud800")

    checker.check_pending()

    assert _state(refused) == ("refused", "no\\u0000 \\ud800")


def test_replaced_keys_are_checked_first(alice: User, bob: User, troubles: dict[UUID, Exception]) -> None:
    older, newer = _account(alice), _account(bob)
    troubles |= dict.fromkeys((older, newer), VenueUnavailable("silent"))
    checker.check_pending()

    services.replace_keys(credential_id=newer, **KEYS)

    assert [view.id for view in selectors.pending_credentials()] == [newer, older]


@pytest.mark.parametrize("field", ["api_key", "secret"])
@pytest.mark.parametrize("value", ["ключ" * 8, "made\x07up", "made\x7fup", "made\u200bup", "é"])
def test_keys_that_could_not_be_sent_are_refused_by_field(alice: User, api: Api, field: str, value: str) -> None:
    body: dict[str, Any] = {"venue": "paper", **KEYS, field: value}

    answer = api(alice).post("/api/v1/credentials", body, format="json")

    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert value not in answer.content.decode()
    assert not Credential.objects.exists()


def test_a_key_of_two_lines_is_refused_but_a_pem_secret_is_taken(alice: User) -> None:
    with pytest.raises(InvalidField, match="api_key"):
        services.save_credential(user=alice, venue="paper", api_key="made\r\nup", secret="x")

    row = services.save_credential(user=alice, venue="paper", api_key=KEYS["api_key"], secret=PEM)

    assert services.open_credential(row.pk).secret.reveal() == PEM


def test_the_admin_names_the_field_too(client: Client, alice: User) -> None:
    client.force_login(services.create_user(name="operator", staff=True))
    body = {"user": str(alice.pk), "venue": "paper", **KEYS, "api_key": "ключ" * 8}

    answer = client.post(reverse("admin:accounts_credential_add"), body)

    assert answer.status_code == 200
    assert "ASCII" in answer.content.decode()
    assert not Credential.objects.exists()
