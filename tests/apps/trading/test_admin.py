"""Operators can look at everything and change limits only."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from apps.trading.models import Order, RiskPolicy
from tests.apps.trading.conftest import Trader

NOUNS = ["command", "order", "fill", "position", "executionreport", "riskpolicy"]


@pytest.fixture
def operator(trader: Trader, client: Client) -> Client:
    trader.buy(10, conditions={"stop_loss": 5})
    client.force_login(get_user_model().objects.create_superuser("operator"))
    return client


@pytest.mark.parametrize("noun", NOUNS)
def test_every_noun_has_its_list(operator: Client, noun: str) -> None:
    assert operator.get(f"/admin/trading/{noun}/").status_code == 200


def test_an_order_can_be_looked_at_and_not_changed(operator: Client) -> None:
    order = Order.objects.filter(leg="entry").get()
    address = f"/admin/trading/order/{order.pk}/change/"
    assert operator.get(address).status_code == 200
    assert operator.post(address, {"status": "OPEN"}).status_code == 403
    assert operator.get("/admin/trading/order/add/").status_code == 403


def test_the_platform_is_halted_from_the_admin(operator: Client, trader: Trader) -> None:
    form = {"user": "", "kill_switch": "halted", "blacklist": "[]", "cooling_period": "0"}
    assert operator.post("/admin/trading/riskpolicy/add/", form).status_code == 302
    assert RiskPolicy.objects.get().user is None
    assert trader.buy(10).code == "kill_switch"


def test_there_is_one_platform_policy(operator: Client) -> None:
    form = {"user": "", "kill_switch": "active", "blacklist": "[]", "cooling_period": "0"}
    operator.post("/admin/trading/riskpolicy/add/", form)
    again = operator.post("/admin/trading/riskpolicy/add/", form)
    assert again.status_code == 200
    assert RiskPolicy.objects.count() == 1


@pytest.mark.parametrize("blacklist", ['"DOGE"', '["D O G E"]', "[1]"])
def test_a_blacklist_that_is_none_is_refused(operator: Client, blacklist: str) -> None:
    form = {"user": "", "kill_switch": "active", "blacklist": blacklist, "cooling_period": "0"}
    assert operator.post("/admin/trading/riskpolicy/add/", form).status_code == 200
    assert not RiskPolicy.objects.exists()


def test_a_blacklist_is_stored_in_capitals(operator: Client) -> None:
    form = {"user": "", "kill_switch": "active", "blacklist": '["doge"]', "cooling_period": "0"}
    operator.post("/admin/trading/riskpolicy/add/", form)
    assert RiskPolicy.objects.get().blacklist == ["DOGE"]
