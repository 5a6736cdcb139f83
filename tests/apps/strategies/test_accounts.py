"""Which account a strategy would trade on."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from pytest_django import DjangoAssertNumQueries

from apps.accounts.models import Credential, CredentialStatus, User
from apps.exchanges.models import Venue
from apps.strategies.domain.matching import Account
from apps.strategies.selectors import accounts_of
from tests.apps.strategies.conftest import a_trader, an_account

pytestmark = pytest.mark.django_db


def account(user: User, chosen: UUID | None = None) -> Account | None:
    return accounts_of([(user.pk, chosen)]).get((user.pk, chosen))


def test_without_a_choice_it_is_the_default_paper_account(alice: User) -> None:
    paper = Credential.objects.get(user=alice)
    Credential.objects.create(user=alice, venue="paper", status=CredentialStatus.ACTIVE, envelope={})
    assert account(alice) == Account(paper.pk, "paper", paper=True)


def test_a_real_exchange_is_no_paper_and_never_the_default(alice: User) -> None:
    chosen = an_account(alice, "binance")
    Credential.objects.filter(venue="paper").delete()
    assert account(alice, chosen.pk) == Account(chosen.pk, "binance", paper=False)
    assert account(alice) is None


def test_another_user_s_is_not_found(alice: User, bob: User) -> None:
    assert account(alice, Credential.objects.get(user=bob).pk) is None
    assert account(alice, uuid4()) is None


@pytest.mark.parametrize("status", [CredentialStatus.PENDING, CredentialStatus.REFUSED])
def test_keys_that_are_not_accepted_are_not_used(alice: User, status: CredentialStatus) -> None:
    Credential.objects.update(status=status)
    assert account(alice) is None
    assert account(alice, Credential.objects.get().pk) is None


def test_an_exchange_that_is_off_is_not_used(alice: User) -> None:
    Venue.objects.update(enabled=False)
    assert account(alice) is None


def test_many_cost_no_more_than_one(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    users = [a_trader(f"trader{number}") for number in range(10)]
    asked = [(user.pk, None) for user in users] + [(user.pk, an_account(user, "binance").pk) for user in users]
    with django_assert_num_queries(3):
        assert set(accounts_of(asked)) == set(asked)
