"""A configuration becomes rows, wins over the admin, and leaves alone what was made by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from apps.sources import config_selectors as selectors
from apps.sources import config_services as services
from apps.sources.config_services import Applied
from apps.sources.domain.config_source import Reading
from apps.sources.domain.crawler_config import InvalidConfig
from apps.sources.models import Source

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FEEDS = """[rss]
interval = 60
feeds = [{name = "one", url = "https://one.test/"}, {name = "two", url = "https://two.test/"}]
"""


def apply(text: str, *, now: datetime = NOW, address: str = "file:/somewhere/crawler.toml") -> Applied:
    reading = Reading(text, "7")
    return services.apply(reading=reading, specs=services.check(text), address=address, now=now)


def confirm(now: datetime) -> None:
    services.confirm(reading=Reading(FEEDS, "8"), address="file:x", watcher="me:1", now=now)


def row(name: str) -> Source:
    return Source.objects.get(name=name)


def test_what_is_named_becomes_sources_that_are_due_at_once() -> None:
    assert apply(FEEDS) == Applied(created=("one", "two"))
    assert (row("one").kind, row("one").url, row("one").managed_by) == ("rss", "https://one.test/", "file")
    assert row("one").enabled
    assert (row("one").interval_seconds, row("one").next_run_at) == (60, NOW)


def test_the_same_again_changes_nothing() -> None:
    apply(FEEDS)
    Source.objects.update(next_run_at=NOW + timedelta(seconds=50))
    assert not apply(FEEDS)
    assert row("one").next_run_at == NOW + timedelta(seconds=50)


def test_a_changed_source_is_due_at_once_and_keeps_what_it_remembers() -> None:
    apply(FEEDS)
    Source.objects.update(next_run_at=NOW + timedelta(hours=1), failures=9, state={"etag": "x"})
    assert apply(FEEDS.replace("https://one.test/", "https://other.test/")) == Applied(changed=("one",))
    assert (row("one").url, row("one").next_run_at, row("one").failures) == ("https://other.test/", NOW, 0)
    assert row("one").state == {"etag": "x"}
    assert row("two").next_run_at == NOW + timedelta(hours=1)


def test_a_changed_source_still_waits_for_the_moment_that_it_named() -> None:
    apply(FEEDS)
    Source.objects.update(next_run_at=NOW + timedelta(hours=1), throttled_until=NOW + timedelta(hours=1))
    apply(FEEDS.replace("https://one.test/", "https://other.test/"))
    assert row("one").next_run_at == NOW + timedelta(hours=1)


def test_a_shorter_interval_brings_the_next_run_forward() -> None:
    apply(FEEDS)
    Source.objects.update(next_run_at=NOW + timedelta(hours=1))
    apply(FEEDS.replace("interval = 60", "interval = 30"))
    assert row("one").next_run_at == NOW + timedelta(seconds=30)


def test_what_is_no_longer_named_is_disabled_and_not_deleted() -> None:
    apply(FEEDS)
    assert apply('[rss]\nfeeds = [{name = "one", url = "https://one.test/"}]\ninterval = 60') == Applied(
        disabled=("two",)
    )
    assert not row("two").enabled
    assert row("one").enabled
    assert apply(FEEDS) == Applied(changed=("two",))
    assert row("two").enabled


def test_a_section_that_is_switched_off_makes_no_rows_and_disables_those_there() -> None:
    off = FEEDS.replace("[rss]", "[rss]\nenabled = false")
    assert not apply(off)
    apply(FEEDS)
    assert apply(off) == Applied(changed=("one", "two"))
    assert not Source.objects.filter(enabled=True).exists()


def test_the_configuration_wins_over_what_the_admin_changed() -> None:
    apply(FEEDS)
    Source.objects.filter(name="one").update(
        enabled=False, interval_seconds=5, url="https://admin.test/", config={"x": 1}
    )
    assert apply(FEEDS) == Applied(changed=("one",))
    assert (row("one").enabled, row("one").interval_seconds, row("one").url) == (True, 60, "https://one.test/")
    assert row("one").config == {}


def test_a_source_made_by_hand_is_left_alone() -> None:
    Source.objects.create(name="by hand", kind="rss", url="https://hand.test/")
    apply(FEEDS)
    apply("[rss]\nfeeds = []")
    assert row("by hand").enabled
    assert row("by hand").managed_by == ""


def test_a_name_that_was_taken_by_hand_refuses_the_whole_configuration() -> None:
    Source.objects.create(name="two", kind="rss", url="https://hand.test/")
    with pytest.raises(InvalidConfig, match="rss: names 'two', which was made by hand in the admin; delete or rename"):
        apply(FEEDS)
    assert list(Source.objects.values_list("name", flat=True)) == ["two"]
    assert selectors.config_status() is None


def test_sources_pass_from_a_file_to_etcd() -> None:
    apply(FEEDS)
    assert apply(FEEDS, address="etcd://somewhere:2379/key") == Applied(changed=("one", "two"))
    assert row("one").managed_by == "etcd"


def test_the_settings_of_each_crawler_are_checked_by_its_own_model() -> None:
    with pytest.raises(InvalidConfig, match=r"rss\.feeds\[0\]\.colour: is no setting of this crawler"):
        services.check('[rss]\nfeeds = [{name = "one", url = "https://one.test/", colour = "red"}]\n')


def test_the_status_tells_what_is_in_force_and_what_was_refused() -> None:
    apply(FEEDS)
    confirm(NOW)
    services.refuse(address="file:x", reason="rss: is wrong", watcher="me:1", now=NOW)
    services.refuse(address="file:x", reason="rss: is wrong", watcher="me:1", now=NOW, again=True)
    status = selectors.config_status()
    assert status
    assert (status.loaded_at, status.checked_at, status.sources, status.revision) == (NOW, NOW, 2, "8")
    assert status.digest == services.digest(FEEDS)
    assert (status.last_error, status.failed_at, status.failures) == ("rss: is wrong", NOW, 1)
    confirm(NOW + timedelta(minutes=1))
    status = selectors.config_status()
    assert status
    assert (status.last_error, status.failed_at, status.failures) == ("", None, 1)


def test_applying_the_same_again_leaves_the_time_of_loading() -> None:
    apply(FEEDS)
    apply(FEEDS, now=NOW + timedelta(hours=1))
    status = selectors.config_status()
    assert status
    assert status.loaded_at == NOW


def test_two_thousand_sources_take_few_statements(django_assert_max_num_queries: object) -> None:
    many = "[rss]\nfeeds = [" + ",".join(f'"https://a.test/{number}"' for number in range(2_000)) + "]\n"
    with django_assert_max_num_queries(25):  # type: ignore[operator]
        assert len(apply(many).created) == 2_000
    with django_assert_max_num_queries(2):  # type: ignore[operator]
        assert not apply(many)
