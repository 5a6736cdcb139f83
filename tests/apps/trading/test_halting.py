"""The kill switch: three ways to turn it, who turned it and why, and what it stops."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.trading import services
from apps.trading.models import PolicyChange, RiskPolicy, Way
from tests.apps.trading.conftest import Trader, make_trader
from tradebot.contracts.errors import InvalidField
from tradebot.contracts.values import KillSwitch

pytestmark = pytest.mark.django_db
BY = services.By("tester", Way.COMMAND)


def turn(state: KillSwitch, trader: Trader | None = None, reason: str = "a drill") -> None:
    user_id = trader.user.pk if trader else None
    services.switch(user_id=user_id, state=state, by=BY, reason=reason, now=timezone.now())


def halt(*arguments: str) -> str:
    told = StringIO()
    call_command("halt", *arguments, stdout=told)
    return told.getvalue()


@pytest.mark.parametrize("state", [KillSwitch.HALTED, KillSwitch.REDUCING])
def test_what_was_decided_before_is_done_and_what_comes_after_is_denied(trader: Trader, state: KillSwitch) -> None:
    assert trader.buy(10).state == "DONE"
    turn(state)
    denied = trader.buy(10)
    assert (denied.state, denied.code) == ("DENIED", "kill_switch")
    assert state.value in denied.reason
    turn(KillSwitch.ACTIVE)
    assert trader.buy(10).state == "DONE"


@pytest.mark.parametrize("state", [KillSwitch.HALTED, KillSwitch.REDUCING])
def test_sales_go_on_whatever_the_switch(trader: Trader, state: KillSwitch) -> None:
    trader.buy(30)
    turn(state, trader)
    assert trader.execute(trader.sell(100)).state == "DONE"
    assert trader.held() == 0


@pytest.mark.parametrize("state", [KillSwitch.HALTED, KillSwitch.REDUCING])
def test_a_missing_stop_is_made_again_whatever_the_switch(trader: Trader, state: KillSwitch) -> None:
    trader.buy(30, conditions={"stop_loss": 5})
    turn(state)
    (gone,) = trader.venue.standing()
    trader.venue.cancel(gone.request.pair, gone.request.client_id)
    trader.clock.forward(20)
    trader.reconcile()
    assert [stop.request.amount for stop in trader.venue.standing()] == [trader.held()]


def test_one_users_switch_leaves_the_others_alone(trader: Trader) -> None:
    turn(KillSwitch.HALTED, trader)
    assert trader.buy(10).code == "kill_switch"
    assert make_trader("other").buy(10).state == "DONE"


def test_a_switch_asks_for_a_reason(trader: Trader) -> None:
    with pytest.raises(InvalidField, match="reason"):
        turn(KillSwitch.HALTED, trader, reason="  ")
    assert not PolicyChange.objects.exists()


def test_what_changes_nothing_leaves_no_row(trader: Trader) -> None:
    turn(KillSwitch.HALTED)
    turn(KillSwitch.HALTED)
    assert PolicyChange.objects.count() == 1


# --- the console -----------------------------------------------------------------------------------------------------


def test_the_command_halts_everybody_and_says_so(trader: Trader) -> None:
    told = halt("--platform", "--reason", "exchange hacked")
    assert "the platform: halted" in told
    assert "exchange hacked" in told
    assert trader.buy(10).code == "kill_switch"
    assert "(console)" in PolicyChange.objects.get().by_name


def test_the_command_reduces_and_resumes_one_user(trader: Trader) -> None:
    name = trader.user.get_username()
    assert "reducing" in halt("--user", name, "--reducing", "--reason", "holiday")
    assert trader.buy(10).code == "kill_switch"
    assert f"{name}: active" in halt("--user", name, "--resume", "--reason", "back")
    assert trader.buy(10).state == "DONE"


def test_the_command_tells_the_state_and_changes_nothing(trader: Trader) -> None:
    assert halt("--platform", "--status").startswith("the platform: active")
    assert not PolicyChange.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--platform"], "--reason"),
        (["--user", "nobody", "--reason", "x"], "nobody"),
        ([], "required"),
        (["--platform", "--user", "x", "--reason", "x"], "not allowed"),
    ],
)
def test_wrong_usage_says_what_is_wrong(db: None, arguments: list[str], told: str) -> None:
    with pytest.raises(CommandError, match=told):
        call_command("halt", *arguments)
    assert not RiskPolicy.objects.filter(kill_switch="halted").exists()


# --- the API ---------------------------------------------------------------------------------------------------------


def client_of(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


def test_ones_own_change_is_noted_with_its_reason(trader: Trader) -> None:
    body: dict[str, Any] = {"kill_switch": "reducing", "max_price_move": "2.5", "reason": "holiday"}
    answer = client_of(trader.user).patch("/api/v1/risk-policy", body, format="json")
    assert (answer.status_code, answer.json()["max_price_move"]) == (200, "2.5")
    assert "reason" not in answer.json()
    change = PolicyChange.objects.get()
    assert (change.user, change.by, change.way, change.reason) == (trader.user, trader.user, "api", "holiday")
    assert change.changes == {"kill_switch": ["active", "reducing"], "max_price_move": [None, "2.5"]}


def test_staff_halt_the_platform_through_the_api(trader: Trader) -> None:
    staff = client_of(User.objects.create_user("staff", is_staff=True))
    assert staff.get("/api/v1/risk-policy/platform").json()["kill_switch"] == "active"
    answer = staff.patch("/api/v1/risk-policy/platform", {"kill_switch": "halted", "reason": "hack"}, format="json")
    assert answer.json()["kill_switch"] == "halted"
    assert trader.buy(10).code == "kill_switch"
    assert PolicyChange.objects.get().user is None


def test_nobody_else_sees_or_halts_the_platform(trader: Trader) -> None:
    mine = client_of(trader.user)
    assert mine.get("/api/v1/risk-policy/platform").status_code == 403
    assert mine.patch("/api/v1/risk-policy/platform", {"kill_switch": "halted"}, format="json").status_code == 403
    assert APIClient().patch("/api/v1/risk-policy/platform", {}, format="json").status_code in {401, 403}
    assert trader.buy(10).state == "DONE"


def test_a_switch_of_the_platform_asks_for_a_reason_in_the_api_too(trader: Trader) -> None:
    staff = client_of(User.objects.create_user("staff", is_staff=True))
    answer = staff.patch("/api/v1/risk-policy/platform", {"kill_switch": "halted"}, format="json")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "reason")
    assert trader.buy(10).state == "DONE"


def test_who_was_halted_by_an_operator_cannot_resume_by_themselves(trader: Trader) -> None:
    turn(KillSwitch.REDUCING, trader, reason="a stolen token")
    mine = client_of(trader.user)
    answer = mine.patch("/api/v1/risk-policy", {"kill_switch": "active"}, format="json")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "kill_switch")
    assert trader.buy(10).code == "kill_switch"
    assert mine.patch("/api/v1/risk-policy", {"kill_switch": "halted"}, format="json").status_code == 200
    assert mine.patch("/api/v1/risk-policy", {"kill_switch": "active"}, format="json").status_code == 400
    assert mine.patch("/api/v1/risk-policy", {"kill_switch": "reducing"}, format="json").status_code == 200
    turn(KillSwitch.ACTIVE, trader)
    assert trader.buy(10).state == "DONE"


def test_ones_own_halt_is_ones_own_to_end(trader: Trader) -> None:
    mine = client_of(trader.user)
    mine.patch("/api/v1/risk-policy", {"kill_switch": "halted"}, format="json")
    assert mine.patch("/api/v1/risk-policy", {"kill_switch": "active"}, format="json").status_code == 200
    assert trader.buy(10).state == "DONE"
