"""Operators can look at everything and change limits only."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from apps.trading.models import Order, PolicyChange, RiskPolicy
from tests.apps.trading.conftest import Trader

NOUNS = ["command", "order", "fill", "position", "executionreport", "riskpolicy", "policychange"]


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
    form = {"user": "", "blacklist": "[]", "cooling_period": "0"}
    assert operator.post("/admin/trading/riskpolicy/add/", form).status_code == 302
    policy = RiskPolicy.objects.get()
    assert (policy.user, policy.kill_switch) == (None, "active")
    address = f"/admin/trading/riskpolicy/{policy.pk}/halt/"
    assert "Stops and targets" in operator.get(address).content.decode()
    assert operator.post(address, {"reason": " "}).status_code == 200
    assert trader.buy(10).state == "DONE"
    assert operator.post(address, {"reason": "the exchange was hacked"}).status_code == 302
    assert trader.buy(10).code == "kill_switch"
    change = PolicyChange.objects.get(changes__has_key="kill_switch")
    assert (change.by_name, change.way, change.reason) == ("operator", "admin", "the exchange was hacked")
    assert change.changes == {"kill_switch": ["active", "halted"]}


def test_a_limit_set_in_the_admin_is_noted_with_who_set_it(operator: Client, trader: Trader) -> None:
    form = {"user": str(trader.user.pk), "blacklist": '["doge"]', "cooling_period": "5", "max_order_rate": "3"}
    operator.post("/admin/trading/riskpolicy/add/", form)
    policy = RiskPolicy.objects.get(user=trader.user)
    operator.post(f"/admin/trading/riskpolicy/{policy.pk}/change/", {**form, "max_order_rate": "7"})
    second, first = PolicyChange.objects.all()
    assert first.changes == {"blacklist": [[], ["DOGE"]], "cooling_period": [0, 5], "max_order_rate": [None, 3]}
    assert second.changes == {"max_order_rate": [3, 7]}
    page = operator.get("/admin/trading/policychange/").content.decode()
    assert "max_order_rate: 3 → 7" in page
    assert operator.post(f"/admin/trading/policychange/{first.pk}/delete/", {"post": "yes"}).status_code == 403
    assert operator.post(f"/admin/trading/policychange/{first.pk}/change/", {"reason": "?"}).status_code == 403


@pytest.mark.parametrize("what", ["halt", "reduce", "resume"])
def test_who_may_only_look_cannot_halt(operator: Client, client: Client, what: str) -> None:
    policy = RiskPolicy.objects.create(user=None)
    viewer = get_user_model().objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_riskpolicy"))
    client.force_login(viewer)
    assert client.post(f"/admin/trading/riskpolicy/{policy.pk}/{what}/", {"reason": "fun"}).status_code == 403
    assert not PolicyChange.objects.exists()


def test_there_is_one_platform_policy(operator: Client) -> None:
    form = {"user": "", "blacklist": "[]", "cooling_period": "0"}
    operator.post("/admin/trading/riskpolicy/add/", form)
    again = operator.post("/admin/trading/riskpolicy/add/", form)
    assert again.status_code == 200
    assert RiskPolicy.objects.count() == 1


@pytest.mark.parametrize("blacklist", ['"DOGE"', '["D O G E"]', "[1]"])
def test_a_blacklist_that_is_none_is_refused(operator: Client, blacklist: str) -> None:
    form = {"user": "", "blacklist": blacklist, "cooling_period": "0"}
    assert operator.post("/admin/trading/riskpolicy/add/", form).status_code == 200
    assert not RiskPolicy.objects.exists()


def test_a_blacklist_is_stored_in_capitals(operator: Client) -> None:
    form = {"user": "", "blacklist": '["doge"]', "cooling_period": "0"}
    operator.post("/admin/trading/riskpolicy/add/", form)
    assert RiskPolicy.objects.get().blacklist == ["DOGE"]


def test_a_policy_is_not_deleted_so_no_switch_goes_back_unseen(operator: Client, trader: Trader) -> None:
    policy = RiskPolicy.objects.create(user=None, kill_switch="halted")
    address = f"/admin/trading/riskpolicy/{policy.pk}/delete/"
    assert operator.post(address, {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": str(policy.pk), "post": "yes"}
    operator.post("/admin/trading/riskpolicy/", chosen)
    assert trader.buy(10).code == "kill_switch"
