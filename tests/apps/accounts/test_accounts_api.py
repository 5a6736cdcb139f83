"""Credentials over REST: secrets go in, never come out, and never to another user."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from apps.accounts import services
from apps.accounts.models import ApiToken, Credential, User
from tests.apps.accounts.conftest import Api
from tradebot.rest_defaults import UserThrottle

URL = "/api/v1/credentials"
KEYS = {"api_key": "ObviouslyMadeUpKey-A1B2", "secret": "ObviouslyMadeUpSecret-C3D4"}
SHOWN = {"id", "venue", "label", "status", "status_reason", "key_hint", "is_default", "created_at"}


def _reasons(answer: Any) -> dict[str, str]:
    return {error["field"]: error["reason"] for error in answer.json()["errors"]}


def test_keys_go_in_and_never_come_out(alice: User, api: Api) -> None:
    client = api(alice)
    made = client.post(URL, {"venue": "paper", "label": "main", **KEYS}, format="json")
    assert made.status_code == 201
    answers = [made, client.get(URL), client.get(f"{URL}/{made.json()['id']}")]
    assert set(made.json()) == SHOWN
    assert (made.json()["status"], made.json()["key_hint"]) == ("pending", "A1B2")
    for answer in answers:
        assert not [value for value in KEYS.values() if value in answer.content.decode()]
        assert "envelope" not in answer.content.decode()
    assert services.open_credential(made.json()["id"]).secret.reveal() == KEYS["secret"]


def test_a_passphrase_goes_in_sealed_and_never_comes_out(alice: User, api: Api) -> None:
    phrase = "ObviouslyMadeUpPhrase-G7"
    client = api(alice)
    made = client.post(URL, {"venue": "paper", "passphrase": phrase, **KEYS}, format="json")
    assert (made.status_code, set(made.json())) == (201, SHOWN)
    row = Credential.objects.get(pk=made.json()["id"])
    opened = services.open_credential(row.pk)
    assert opened.passphrase.reveal() == phrase
    assert phrase not in made.content.decode() + client.get(URL).content.decode() + json.dumps(row.envelope) + repr(
        opened
    )


def test_keys_without_a_passphrase_have_an_empty_one(alice: User, api: Api) -> None:
    made = api(alice).post(URL, {"venue": "paper", **KEYS}, format="json")
    assert services.open_credential(made.json()["id"]).passphrase.reveal() == ""


def test_a_paper_account_is_asked_for_without_keys(alice: User, api: Api) -> None:
    made = api(alice).post(URL, {"venue": "paper"}, format="json")
    assert (made.status_code, made.json()["status"], made.json()["is_default"]) == (201, "pending", True)
    assert Credential.objects.get().opens_account


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "venue"),
        ({"venue": "nowhere"}, "venue"),
        ({"venue": "binance", **KEYS}, "venue"),
        ({"venue": "paper", "api_key": KEYS["api_key"]}, "secret"),
        ({"venue": "paper", "api_key": "", "secret": "x"}, "api_key"),
        ({"venue": "paper", "label": "x" * 81}, "label"),
        ({"venue": "paper", "passphrase": "not\u00e4scii", **KEYS}, "passphrase"),
    ],
)
def test_bad_input_is_refused_by_field(alice: User, api: Api, body: dict[str, str], field: str) -> None:
    answer = api(alice).post(URL, body, format="json")
    assert answer.status_code == 400
    assert field in _reasons(answer)
    assert not Credential.objects.exists()


def test_status_and_owner_can_not_be_set_from_outside(alice: User, bob: User, api: Api) -> None:
    body = {"venue": "paper", **KEYS, "status": "active", "user": str(bob.pk), "is_default": False, "id": str(bob.pk)}
    made = api(alice).post(URL, body, format="json")
    row = Credential.objects.get()
    assert (row.user, row.status, row.is_default, str(row.pk) == str(bob.pk)) == (alice, "pending", True, False)
    assert made.status_code == 201


def test_anothers_credential_does_not_exist(alice: User, bob: User, api: Api) -> None:
    theirs = services.request_paper_account(user=bob)
    client = api(alice)
    assert client.get(URL).json() == {"results": [], "next": None}
    assert client.get(f"{URL}/{theirs.pk}").status_code == 404
    assert client.delete(f"{URL}/{theirs.pk}").status_code == 404
    assert services.open_credential(theirs.pk).venue == "paper"


def test_a_deleted_credential_is_gone(alice: User, api: Api) -> None:
    row = services.request_paper_account(user=alice)
    assert api(alice).delete(f"{URL}/{row.pk}").status_code == 204
    assert api(alice).get(f"{URL}/{row.pk}").status_code == 404
    assert Credential.objects.get().envelope == {}


def test_keys_can_not_be_changed_in_place(alice: User, api: Api) -> None:
    row = services.request_paper_account(user=alice)
    for method in ("put", "patch"):
        assert getattr(api(alice), method)(f"{URL}/{row.pk}", KEYS, format="json").status_code == 405


@pytest.mark.parametrize("header", ["", "Token", "Token tb_wrong", "Token \xff", "Bearer tb_wrong", "Token a b"])
def test_without_a_good_token_the_answer_is_401_in_the_same_shape(db: None, header: str) -> None:
    client = APIClient()
    if header:
        client.credentials(HTTP_AUTHORIZATION=header)
    answer = client.get(URL)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Token"
    assert list(_reasons(answer)) == [""]


def test_an_expired_token_is_401(alice: User, api: Api) -> None:
    client = api(alice)
    assert client.get(URL).status_code == 200
    ApiToken.objects.update(expires_at=timezone.now())
    assert client.get(URL).status_code == 401


def test_pages_are_stable_while_rows_come_in(alice: User, api: Api) -> None:
    for _ in range(5):
        services.request_paper_account(user=alice)
    same_moment = timezone.now()
    Credential.objects.update(created_at=same_moment)
    client, seen, url = api(alice), [], f"{URL}?page_size=2"
    while url:
        page = client.get(url).json()
        seen += [row["id"] for row in page["results"]]
        url = page["next"]
        services.request_paper_account(user=alice)
    assert len(seen) == len(set(seen)) == 5


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page_size=0", "page_size"),
        ("page_size=201", "page_size"),
        ("page_size=ten", "page_size"),
        ("cursor=x", "cursor"),
        ("cursor=%FF", "cursor"),
        ("cursor=WyJub3ciLCAiMSJd", "cursor"),
        ("cursor=bnVsbA==", "cursor"),
    ],
)
def test_a_bad_page_is_refused_by_name(alice: User, api: Api, query: str, field: str) -> None:
    answer = api(alice).get(f"{URL}?{query}")
    assert (answer.status_code, list(_reasons(answer))) == (400, [field])


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (b"{", (400, "", "JSON")),
        (b'{"label": "\xff"}', (400, "", "utf-8")),
        (b'{"venue": "paper", "label": "\\u0000"}', (400, "label", "NUL")),
        (b'{"venue": "paper", "x": [{"\\ud800": 1}]}', (400, "x.0.'\\ud800'", "surrogate")),
        (b"[" * 100_000, (400, "", "nested")),
        (b'"text"', (400, "", "dictionary")),
        (b" " * (2 * 1024 * 1024 + 1), (413, "", "2097152 bytes")),
    ],
    ids=["half", "not utf-8", "nul", "surrogate", "deep", "text", "too large"],
)
def test_a_bad_body_is_refused(alice: User, api: Api, body: bytes, refusal: tuple[int, str, str]) -> None:
    status, field, said = refusal
    answer = api(alice).post(URL, body, content_type="application/json")
    assert (answer.status_code, list(_reasons(answer))) == (status, [field])
    assert said in _reasons(answer)[field]


def test_a_form_is_not_taken(alice: User, api: Api) -> None:
    answer = api(alice).post(URL, json.dumps({"venue": "paper"}), content_type="text/plain")
    assert (answer.status_code, list(_reasons(answer))) == (415, [""])


def test_who_asks_too_often_is_told_to_wait(alice: User, bob: User, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UserThrottle, "rate", "2/min", raising=False)
    client = api(alice)
    answers = [client.get(URL) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 0 < int(answers[-1]["Retry-After"]) <= 60
    assert "throttled" in _reasons(answers[-1])[""]
    assert api(bob).get(URL).status_code == 200


def test_without_the_cache_nobody_is_turned_away(
    alice: User, api: Api, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(UserThrottle, "rate", "1/min", raising=False)
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
    assert [api(alice).get(URL).status_code for _ in range(3)] == [200, 200, 200]
