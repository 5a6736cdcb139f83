"""What operators see and do of sources in the admin."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from apps.sources.models import Source
from tests.apps.sources.crawling.conftest import watched

pytestmark = pytest.mark.django_db

LIST = "/admin/sources/source/"


@pytest.fixture
def admin() -> Client:
    user = get_user_model().objects.create_superuser("sample_admin", password="sample password")
    made = Client()
    made.force_login(user)
    return made


def form(**changes: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    fields = {
        "name": "the board",
        "kind": "board",
        "url": "",
        "config": "{}",
        "enabled": "on",
        "interval_seconds": "60",
        "next_run_at_0": f"{now:%Y-%m-%d}",
        "next_run_at_1": f"{now:%H:%M:%S}",
    }
    return {**fields, **changes}


def act(admin: Client, action: str, *rows: Source) -> str:
    answer = admin.post(LIST, {"action": action, "_selected_action": [row.pk for row in rows]}, follow=True)
    return answer.content.decode()


def test_the_list_tells_how_each_source_stands(admin: Client) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=1)
    watched(
        lag_p50_seconds=2.5,
        notes={"@somebody": "suspended"},
        last_error="502 from the board",
        leased_by="node-a#1f",
        leased_until=soon,
    )

    page = admin.get(LIST).content.decode()

    for told in ("2.5 s", "@somebody: suspended", "502 from the board", "node-a"):
        assert told in page
    assert "node-a#1f" not in page


def test_a_source_with_fitting_settings_is_stored(admin: Client) -> None:
    config = {"pages": 3, "api_token": "env:BOARD_TOKEN"}

    answer = admin.post(f"{LIST}add/", form(config=json.dumps(config)))

    assert answer.status_code == 302
    assert Source.objects.get().config == config


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"config": '{"pagse": 3}'}, "pagse: is no setting of this crawler; known are api_token, pages"),
        ({"config": '{"pages": "three"}'}, "pages: does not fit"),
        ({"config": '{"api_token": "sample-secret"}'}, "api_token: is a secret; name where it is kept"),
        ({"config": "[]"}, "must be a JSON object"),
        ({"kind": "magic"}, "is no crawler; installed are board"),
        ({"kind": "broken_import"}, "is no crawler; installed are board"),
    ],
)
def test_settings_that_the_plugin_would_refuse_are_refused(admin: Client, changes: dict[str, str], told: str) -> None:
    answer = admin.post(f"{LIST}add/", form(**changes))

    assert told in answer.content.decode()
    assert not Source.objects.exists()


def test_the_page_of_a_source_shows_references_and_no_secret(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOARD_TOKEN", "sample-secret-token")
    row = watched(config={"api_token": "env:BOARD_TOKEN"})

    page = admin.get(f"{LIST}{row.pk}/change/").content.decode()

    assert "env:BOARD_TOKEN" in page
    assert "sample-secret-token" not in page


def test_crawl_now_makes_it_due_whatever_it_waited_for(admin: Client) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    row = watched(next_run_at=later, throttled_until=later)

    act(admin, "run_now", row)

    row.refresh_from_db()
    assert row.next_run_at <= datetime.now(UTC)
    assert row.throttled_until is None


def test_sources_are_switched_but_those_of_the_configuration_are_changed_there(admin: Client) -> None:
    own, managed = watched(), watched(name="from the file", managed_by="file")

    page = act(admin, "disable", own, managed)

    assert "from the file: managed by the crawler configuration" in page
    assert dict(Source.objects.values_list("name", "enabled")) == {"the board": False, "from the file": True}
    act(admin, "enable", own)
    assert Source.objects.get(pk=own.pk).enabled


def test_a_managed_source_has_no_fields_to_edit(admin: Client) -> None:
    row = watched(managed_by="etcd")

    admin.post(f"{LIST}{row.pk}/change/", form(name="another", interval_seconds="5"))

    row.refresh_from_db()
    assert (row.name, row.interval_seconds) == ("the board", 60)
