"""What supervisors and scrapers ask: alive, ready, numbers; and addresses that lead nowhere."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _elsewhere(url: str) -> str:
    """The same server on a port where nobody listens."""
    parts = urlsplit(url)
    user, _, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}@127.0.0.1:{_free_port()}"))


def test_alive_needs_no_server(client: Client, settings: Settings) -> None:
    settings.BROKER_URL = _elsewhere(settings.BROKER_URL)
    assert client.get("/healthz").json() == {"status": "ok"}


def test_ready_measures_all_three_servers(client: Client) -> None:
    answer = client.get("/readyz")
    checks = answer.json()["checks"]
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert set(checks) == {"database", "redis", "broker"}
    assert all(check["ok"] and 0 < check["ms"] < 2000 for check in checks.values())


@pytest.mark.parametrize(("setting", "name"), [("BROKER_URL", "broker"), ("REDIS_URL", "redis")])
def test_a_missing_server_is_named_without_its_password(
    client: Client, settings: Settings, setting: str, name: str
) -> None:
    url = getattr(settings, setting)
    setattr(settings, setting, _elsewhere(url))
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert [key for key, check in answer.json()["checks"].items() if not check["ok"]] == [name]
    assert (urlsplit(url).password or "no password") not in answer.content.decode()


def test_a_wrong_broker_password_is_not_ready(client: Client, settings: Settings) -> None:
    parts = urlsplit(settings.BROKER_URL)
    wrong = parts.netloc.replace(f":{parts.password}@", ":wrong@")
    settings.BROKER_URL = urlunsplit(parts._replace(netloc=wrong))
    assert client.get("/readyz").json()["checks"]["broker"]["ok"] is False


def test_numbers_are_for_this_machine_or_the_token(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = "scrape-me-please"
    assert client.get("/metrics").status_code == 200
    far: Any = {"REMOTE_ADDR": "203.0.113.7"}
    behind_proxy: Any = {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.7"}
    for caller in (far, behind_proxy):
        assert client.get("/metrics", **caller).status_code == 403
        assert client.get("/metrics", HTTP_AUTHORIZATION="Bearer nope", **caller).status_code == 403
        assert client.get("/metrics", HTTP_AUTHORIZATION="Bearer scrape-me-please", **caller).status_code == 200


def test_without_a_token_set_no_token_opens(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = None
    answer = client.get("/metrics", REMOTE_ADDR="203.0.113.7", HTTP_AUTHORIZATION="Bearer None")
    assert answer.status_code == 403


def test_numbers_of_several_processes_are_added_up(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    count = "from prometheus_client import Counter; Counter('posts_seen', 'Posts.').inc(2)"
    (tmp_path / "worker").mkdir()
    for folder in (tmp_path, tmp_path, tmp_path / "worker"):
        environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
        subprocess.run([sys.executable, "-c", count], check=True, env=environment, timeout=60)
    assert "posts_seen_total 6.0" in client.get("/metrics").content.decode()


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v2/strategies", "/api/v1/strategies/"])
def test_unknown_api_addresses_answer_in_the_apis_shape(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    (error,) = json.loads(answer.content)["errors"]
    assert path in error["reason"]


def test_other_unknown_addresses_get_a_page(client: Client) -> None:
    answer = client.get("/nothing")
    assert (answer.status_code, answer["Content-Type"].split(";")[0]) == (404, "text/html")
