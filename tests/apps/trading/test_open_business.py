"""An account's keys stay while somebody may still have to ask the exchange what became of its orders."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from apps.accounts import services as accounts
from apps.accounts.models import Credential
from tests.apps.trading import fake_venue as faults
from tests.apps.trading.conftest import Trader
from tradebot.contracts.errors import InvalidField


@pytest.fixture
def guarded(trader: Trader) -> Trader:
    trader.buy(30, conditions={"stop_loss": 5})
    return trader


def _kept(trader: Trader) -> bool:
    return Credential.objects.get(pk=trader.credential.pk).deleted_at is None


def test_an_account_with_an_order_in_doubt_is_not_deleted(trader: Trader) -> None:
    trader.venue.faults.append(faults.lost_on_the_way)
    trader.buy(30)
    with pytest.raises(InvalidField, match=r"BTC/USDT UNKNOWN \(entry order\)"):
        accounts.delete_credential(credential_id=trader.credential.pk)
    assert _kept(trader)


def test_an_account_with_a_guard_waiting_for_its_order_is_not_deleted(trader: Trader) -> None:
    trader.venue.faults.extend([lambda accept: accept(), faults.rejected])
    trader.buy(30, conditions={"stop_loss": 5})
    with pytest.raises(InvalidField, match="guard of BTC/USDT"):
        accounts.delete_credential(credential_id=trader.credential.pk)


def test_the_api_names_what_is_open_and_the_remedy(guarded: Trader) -> None:
    _, token = accounts.issue_token(user=guarded.user, name="test")
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    answer = client.delete(f"/api/v1/credentials/{guarded.credential.pk}")
    reason = answer.json()["errors"][0]["reason"]
    assert (answer.status_code, _kept(guarded)) == (400, True)
    assert "sell 0.1 BTC/USDT OPEN (protect order)" in reason
    assert "Switch off the strategies" in reason


def test_the_admin_says_so_too_and_destroys_the_other_keys(guarded: Trader, client: Client) -> None:
    free = accounts.save_credential(user=guarded.user, venue="paper", api_key="k" * 16, secret="s" * 16)
    client.force_login(accounts.create_user(name="operator", staff=True))
    chosen = {"action": "destroy_keys", "_selected_action": [str(guarded.credential.pk), str(free.pk)]}
    page = client.post(reverse("admin:accounts_credential_changelist"), chosen, follow=True).content.decode()
    assert "still needed" in page
    assert _kept(guarded)
    assert Credential.objects.get(pk=free.pk).deleted_at is not None


def test_when_everything_is_sold_the_keys_may_go(guarded: Trader) -> None:
    guarded.execute(guarded.sell(100))
    accounts.delete_credential(credential_id=guarded.credential.pk)
    assert not _kept(guarded)
