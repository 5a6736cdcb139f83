"""What operators see of the crawlers' configuration and of the nodes that crawl."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from apps.sources import config_services as services
from apps.sources import leases
from apps.sources.domain.config_source import Reading
from apps.sources.domain.nodes import Node
from apps.sources.models import Source
from apps.sources.models_config import ConfigStatus, CrawlerNode
from apps.sources.node_services import DatabaseRegistry

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEXT = '[rss]\nfeeds = [{name = "one <b>", url = "https://one.test/"}]\n'


@pytest.fixture
def admin() -> Client:
    user = get_user_model().objects.create_superuser("sample_admin", password="sample password")
    made = Client()
    made.force_login(user)
    return made


@pytest.fixture
def applied() -> int:
    specs = services.check(TEXT)
    reading, address = Reading(TEXT, "42"), "etcd://host:2379/key"
    services.apply(reading=reading, specs=specs, address=address, now=NOW)
    services.confirm(reading=reading, address=address, watcher="me:1", now=timezone.now())
    return ConfigStatus.objects.get().pk


def page(admin: Client, path: str) -> str:
    """What a person reads on it."""
    text = admin.get(path).content.decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def test_the_configuration_in_force_is_shown_with_its_sources(admin: Client, applied: int) -> None:
    shown = page(admin, f"/admin/sources/configstatus/{applied}/change/")
    assert "etcd://host:2379/key" in shown
    assert "in force" in shown
    assert services.digest(TEXT) in shown
    assert "one &lt;b&gt;" in shown


def test_a_refused_one_says_why(admin: Client, applied: int) -> None:
    services.refuse(address="etcd://host:2379/key", reason="rss: is <wrong> (line 3)", watcher="me:1", now=NOW)
    shown = page(admin, "/admin/sources/configstatus/")
    assert "refused" in shown
    assert "rss: is &lt;wrong&gt; (line 3)" in shown


def test_the_dashboard_tells_of_a_refused_one_alone(admin: Client, applied: int) -> None:
    assert "configuration is refused" not in page(admin, "/admin/")
    services.refuse(address="file:x", reason="rss: is <wrong>", watcher="me:1", now=NOW)
    assert "The crawlers&#x27; configuration is refused, and the one before it stays: rss: is &lt;wrong&gt;" in page(
        admin, "/admin/"
    )


def test_nodes_are_shown_with_their_state_and_what_they_fetch(admin: Client) -> None:
    for name in ("north", "south", "west"):
        DatabaseRegistry().register(Node(f"crawl@{name}", name, ("crawl", "pages"), ("rss",), "1", NOW))
    CrawlerNode.objects.filter(host="south").update(seen_at=timezone.now() - timedelta(seconds=30))
    CrawlerNode.objects.filter(host="west").update(ended_at=timezone.now())
    Source.objects.create(name="feed of one", kind="rss")
    with leases.holding("feed of one", "crawl@north"):
        shown = page(admin, "/admin/sources/crawlernode/")
    rows = {name: shown.partition(f"crawl@{name}")[2].partition("crawl@")[0] for name in ("north", "south", "west")}
    assert "alive" in rows["north"]
    assert "feed of one" in rows["north"]
    assert "late" in rows["south"]
    assert re.search(r"\b3\d s ago", rows["south"])
    assert "crawl, pages" in rows["west"]
    assert "gone" in rows["west"]


@pytest.mark.parametrize("model", ["configstatus", "crawlernode"])
def test_nobody_changes_what_the_workers_write(admin: Client, applied: int, model: str) -> None:
    assert admin.get(f"/admin/sources/{model}/add/").status_code == 403
    assert admin.post(f"/admin/sources/{model}/{applied}/delete/").status_code in {302, 403}
    assert ConfigStatus.objects.filter(pk=applied).exists()
