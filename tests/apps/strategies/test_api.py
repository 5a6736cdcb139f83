"""REST of strategies."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from apps.accounts.models import CredentialStatus, User
from apps.strategies import services
from apps.strategies.models import Match, Strategy, StrategyVersion
from apps.strategies.services import Decision
from tests.apps.strategies.conftest import Client, an_account, problems
from tests.unit.strategies.factories import DESIGN_EXAMPLE

URL = "/api/v1/strategies"
ACTIONS = {"bullish": {"percentage": 30}}


@pytest.fixture(autouse=True)
def _on_a_broker_that_confirms(settings: Settings) -> None:
    settings.BROKER_URL = "amqp://broker.invalid//"


def test_the_documented_example_creates_a_strategy(alice: User, speaking_for: Client) -> None:
    body = {"user_id": str(alice.pk), **DESIGN_EXAMPLE}
    response = speaking_for(alice).post(URL, body, format="json")
    assert response.status_code == 201, response.json()
    answer = response.json()
    assert {key: answer[key] for key in body} == body
    assert (answer["version"], answer["mode"], answer["enabled"]) == (1, "paper", True)
    assert answer["name"] == "cryptosignals, elonmusk: merge, halving"
    assert Strategy.objects.get(pk=answer["id"]).user == alice
    assert answer["created_at"]


def test_it_reads_back_as_it_was_answered(alice: User, speaking_for: Client) -> None:
    client = speaking_for(alice)
    made = client.post(URL, DESIGN_EXAMPLE, format="json").json()
    assert client.get(f"{URL}/{made['id']}").json() == made
    assert client.get(URL).json() == {"results": [made], "next": None}


def test_what_is_not_said_is_answered_with_its_meaning(alice: User, speaking_for: Client) -> None:
    answer = speaking_for(alice).post(URL, {"actions": ACTIONS}, format="json").json()
    assert answer["user_id"] == str(alice.pk)
    assert (answer["quote"], answer["min_confidence"], answer["max_signal_age"]) == ("USDT", 0.6, 300)
    assert (answer["cooldown_minutes"], answer["time_windows"], answer["watch_list"]) == (10, [], {})
    assert answer["name"] == "any source"


def test_every_broken_rule_is_answered_with_its_path(alice: User, speaking_for: Client) -> None:
    body = {"watch_list": {"users": []}, "actions": {"bullish": {"percentage": 130}}, "mode": "demo"}
    response = speaking_for(alice).post(URL, body, format="json")
    assert response.status_code == 400
    assert set(problems(response)) == {"watch_list.users", "actions.bullish.percentage", "mode"}
    assert problems(response)["actions.bullish.percentage"] == "give a percentage over 0 and at most 100"
    assert not Strategy.objects.exists()


@pytest.mark.parametrize("body", [[], "text", 7])
def test_a_body_that_is_no_object_is_refused(alice: User, speaking_for: Client, body: Any) -> None:
    response = speaking_for(alice).post(URL, body, format="json")
    assert (response.status_code, problems(response)) == (400, {"": "send a JSON object"})


def test_without_a_token_nothing_is_done(alice: User) -> None:
    from rest_framework.test import APIClient

    assert APIClient().post(URL, DESIGN_EXAMPLE, format="json").status_code == 401


class TestOwner:
    def test_a_strategy_for_another_user_is_forbidden(self, alice: User, bob: User, speaking_for: Client) -> None:
        response = speaking_for(alice).post(URL, {"user_id": str(bob.pk), "actions": ACTIONS}, format="json")
        assert response.status_code == 403
        assert not Strategy.objects.exists()

    def test_it_is_forbidden_before_anything_else_is_told(self, alice: User, speaking_for: Client) -> None:
        response = speaking_for(alice).post(URL, {"user_id": str(uuid4()), "colour": 1}, format="json")
        assert response.status_code == 403

    def test_staff_may_make_one_for_anybody(self, operator: User, bob: User, speaking_for: Client) -> None:
        client = speaking_for(operator)
        made = client.post(URL, {"user_id": str(bob.pk), "actions": ACTIONS}, format="json")
        assert (made.status_code, made.json()["user_id"]) == (201, str(bob.pk))
        assert client.get(f"{URL}/{made.json()['id']}").status_code == 200
        assert StrategyVersion.objects.get().author == operator

    def test_staff_must_name_somebody(self, operator: User, speaking_for: Client) -> None:
        response = speaking_for(operator).post(URL, {"user_id": str(uuid4()), "actions": ACTIONS}, format="json")
        assert (response.status_code, problems(response)) == (400, {"user_id": "no user has this id"})

    @pytest.mark.parametrize("bad", ["alice", None, 7, ["x"]])
    def test_a_user_id_is_a_uuid(self, alice: User, speaking_for: Client, bad: Any) -> None:
        response = speaking_for(alice).post(URL, {"user_id": bad, "actions": ACTIONS}, format="json")
        assert (response.status_code, problems(response)) == (400, {"user_id": "give a user's id, a UUID"})

    def test_another_user_s_strategy_is_not_there(self, alice: User, bob: User, speaking_for: Client) -> None:
        made = services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE)
        client, url = speaking_for(bob), f"{URL}/{made.id}"
        answers = [
            client.get(url),
            client.patch(url, {"enabled": False}, format="json"),
            client.delete(url),
            client.get(f"{url}/matches"),
        ]
        assert [answer.status_code for answer in answers] == [404] * 4
        assert client.get(URL).json()["results"] == []
        assert Strategy.objects.get().enabled


class TestAccount:
    def body(self, **more: Any) -> dict[str, Any]:
        return {"actions": ACTIONS, **more}

    def test_one_s_own_active_account_may_be_chosen(self, alice: User, speaking_for: Client) -> None:
        mine = an_account(alice, "binance")
        body = self.body(credential_id=str(mine.pk), mode="live")
        answer = speaking_for(alice).post(URL, body, format="json")
        assert (answer.status_code, answer.json()["credential_id"]) == (201, str(mine.pk))

    @pytest.mark.parametrize("whose", ["another's", "nobody's", "pending"])
    def test_no_other_may(self, alice: User, bob: User, speaking_for: Client, whose: str) -> None:
        found = {
            "another's": an_account(bob, "binance").pk,
            "nobody's": uuid4(),
            "pending": an_account(alice, "binance", CredentialStatus.PENDING).pk,
        }[whose]
        response = speaking_for(alice).post(URL, self.body(credential_id=str(found)), format="json")
        assert response.status_code == 400
        assert "is not one of the user's active credentials" in problems(response)["credential_id"]

    def test_live_is_refused_on_a_paper_account(self, alice: User, speaking_for: Client) -> None:
        response = speaking_for(alice).post(URL, self.body(mode="live"), format="json")
        assert (response.status_code, list(problems(response))) == (400, ["mode"])
        assert "needs a credential of a real exchange" in problems(response)["mode"]

    def test_paper_is_refused_on_a_real_account(self, alice: User, speaking_for: Client) -> None:
        mine = an_account(alice, "binance")
        response = speaking_for(alice).post(URL, self.body(credential_id=str(mine.pk)), format="json")
        assert "needs a paper account" in problems(response)["mode"]

    def test_live_is_refused_on_a_broker_that_does_not_confirm(
        self, alice: User, speaking_for: Client, settings: Settings
    ) -> None:
        settings.BROKER_URL = "redis://broker.invalid/0"
        body = self.body(credential_id=str(an_account(alice, "binance").pk), mode="live")
        assert "a broker that confirms" in problems(speaking_for(alice).post(URL, body, format="json"))["mode"]


class TestPatch:
    def test_makes_a_version_and_leaves_the_rest(self, alice: User, speaking_for: Client) -> None:
        made = services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE)
        changes = {"enabled": False, "watch_list": {"keywords": ["etf"]}, "actions": {"bullish": {"percentage": 5}}}
        answer = speaking_for(alice).patch(f"{URL}/{made.id}", changes, format="json").json()
        assert (answer["version"], answer["enabled"]) == (2, False)
        assert answer["watch_list"] == {**DESIGN_EXAMPLE["watch_list"], "keywords": ["etf"]}
        assert answer["actions"]["bullish"] == {"percentage": 5, "max_amount": 5000}
        assert answer["actions"]["bearish"] == DESIGN_EXAMPLE["actions"]["bearish"]
        assert [row.number for row in StrategyVersion.objects.all()] == [2, 1]

    def test_null_takes_a_field_away(self, alice: User, speaking_for: Client) -> None:
        made = services.create(user_id=alice.pk, raw={**DESIGN_EXAMPLE, "min_confidence": 0.9})
        changes = {"min_confidence": None, "actions": {"bearish": None}}
        answer = speaking_for(alice).patch(f"{URL}/{made.id}", changes, format="json").json()
        assert answer["min_confidence"] == 0.6
        assert list(answer["actions"]) == ["bullish"]

    def test_the_same_again_makes_no_version(self, alice: User, speaking_for: Client) -> None:
        made = services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE)
        answer = speaking_for(alice).patch(f"{URL}/{made.id}", DESIGN_EXAMPLE, format="json")
        assert answer.json()["version"] == 1

    def test_a_broken_rule_changes_nothing(self, alice: User, speaking_for: Client) -> None:
        made = services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE)
        changes = {"name": "better", "actions": {"bullish": None, "bearish": None}}
        response = speaking_for(alice).patch(f"{URL}/{made.id}", changes, format="json")
        assert (response.status_code, list(problems(response))) == (400, ["actions"])
        assert Strategy.objects.get().name != "better"
        assert StrategyVersion.objects.count() == 1

    def test_a_bottomless_change_is_refused_like_any_other(self, alice: User, speaking_for: Client) -> None:
        made = services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE)
        deep: dict[str, Any] = {}
        for _ in range(600):
            deep = {"actions": deep}
        response = speaking_for(alice).patch(f"{URL}/{made.id}", deep, format="json")
        assert (response.status_code, list(problems(response))) == (400, ["actions.actions"])

    def test_a_strategy_keeps_its_owner(self, alice: User, bob: User, operator: User, speaking_for: Client) -> None:
        url = f"{URL}/{services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE).id}"
        changes = {"user_id": str(bob.pk)}
        assert speaking_for(alice).patch(url, changes, format="json").status_code == 403
        assert speaking_for(operator).patch(url, changes, format="json").status_code == 400
        assert speaking_for(alice).patch(url, {"user_id": str(alice.pk)}, format="json").status_code == 200


def test_hours_without_a_time_zone_are_the_user_s(alice: User, speaking_for: Client) -> None:
    User.objects.filter(pk=alice.pk).update(time_zone="Asia/Shanghai")
    windows = [{"start": "09:00", "end": "17:00"}, {"time_zone": "Europe/Berlin"}]
    answer = speaking_for(alice).post(URL, {"actions": ACTIONS, "time_windows": windows}, format="json").json()
    assert [window["time_zone"] for window in answer["time_windows"]] == ["Asia/Shanghai", "Europe/Berlin"]


def test_a_deleted_strategy_is_gone_for_its_user_and_kept_for_its_commands(alice: User, speaking_for: Client) -> None:
    made = services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE)
    client = speaking_for(alice)
    assert client.delete(f"{URL}/{made.id}").status_code == 204
    assert client.get(f"{URL}/{made.id}").status_code == 404
    assert client.patch(f"{URL}/{made.id}", {"enabled": True}, format="json").status_code == 404
    assert client.get(URL).json()["results"] == []
    assert Strategy.objects.get().deleted_at is not None


def test_a_list_costs_the_same_however_long_it_is(
    alice: User, speaking_for: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(20):
        services.create(user_id=alice.pk, raw={**DESIGN_EXAMPLE, "name": f"number {number}"})
    client = speaking_for(alice)
    with django_assert_max_num_queries(4):
        page = client.get(URL, {"page_size": 8}).json()
    names = [row["name"] for row in page["results"]]
    while page["next"]:
        page = client.get(page["next"]).json()
        names += [row["name"] for row in page["results"]]
    assert names == [f"number {number}" for number in reversed(range(20))]


class TestMatches:
    at = datetime(2023, 7, 3, 12, tzinfo=UTC)

    def recorded(self, strategy_id: Any) -> list[str]:
        signals = [uuid4() for _ in range(3)]
        refused = Decision(strategy_id, signals[0], 1, "confidence", "confidence 0.40 is under 0.6")
        private = Decision(strategy_id, signals[1], 1, "owner", "the post was pushed by another user")
        command = {"id": "command-1"}
        matched = Decision(strategy_id, signals[2], 1, "", "bullish", "BTC", "BTC/USDT", command)
        services.record_matches([refused, private, matched], self.at)
        return [str(signal) for signal in signals]

    def test_are_listed_with_their_reasons(self, alice: User, speaking_for: Client) -> None:
        made = services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE)
        signals = self.recorded(made.id)
        answer = speaking_for(alice).get(f"{URL}/{made.id}/matches").json()
        assert answer["next"] is None
        assert answer["results"] == [
            {
                "signal_id": signals[2],
                "version": 1,
                "matched": True,
                "reason": "",
                "detail": "bullish",
                "coin": "BTC",
                "pair": "BTC/USDT",
                "command_id": "command-1",
                "created_at": "2023-07-03T12:00:00Z",
            },
            {
                "signal_id": signals[0],
                "version": 1,
                "matched": False,
                "reason": "confidence",
                "detail": "confidence 0.40 is under 0.6",
                "coin": "",
                "pair": "",
                "command_id": None,
                "created_at": "2023-07-03T12:00:00Z",
            },
        ]

    def test_say_nothing_of_another_user_s_private_posts(self, alice: User, speaking_for: Client) -> None:
        made = services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE)
        private = self.recorded(made.id)[1]
        assert Match.objects.filter(signal=private, reason="owner").exists()
        assert private not in speaking_for(alice).get(f"{URL}/{made.id}/matches").content.decode()

    @pytest.mark.parametrize(("asked", "reasons"), [("true", [""]), ("false", ["confidence"])])
    def test_can_be_asked_for_alone(self, alice: User, speaking_for: Client, asked: str, reasons: list[str]) -> None:
        made = services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE)
        self.recorded(made.id)
        answer = speaking_for(alice).get(f"{URL}/{made.id}/matches", {"matched": asked}).json()
        assert [row["reason"] for row in answer["results"]] == reasons

    def test_refuse_a_filter_that_means_nothing(self, alice: User, speaking_for: Client) -> None:
        made = services.create(user_id=alice.pk, raw=DESIGN_EXAMPLE)
        response = speaking_for(alice).get(f"{URL}/{made.id}/matches", {"matched": "maybe"})
        assert (response.status_code, list(problems(response))) == (400, ["matched"])
