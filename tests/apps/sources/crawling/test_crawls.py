"""What a crawl does with what it finds, and what its source's row says afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from celery.exceptions import SoftTimeLimitExceeded
from prometheus_client import REGISTRY

from apps.sources import crawl_services, services
from apps.sources.models import Deletion, Post, Source
from tests.apps.sources.crawling.board import Board, Notice, message
from tests.apps.sources.crawling.conftest import watched
from tradebot.contracts import ports
from tradebot.contracts.errors import PermanentError, Throttled, TransientError
from tradebot.contracts.messages import CrawlerMessage
from workers.crawl import crawl_due, intake, run, session

pytestmark = pytest.mark.django_db
FAR = datetime(9999, 12, 31, tzinfo=UTC)


class Sink(list[CrawlerMessage]):
    """A broker that takes everything; `sizes`: how many at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def __call__(self, messages: Sequence[CrawlerMessage]) -> None:
        self.sizes.append(len(messages))
        self.extend(messages)

    @property
    def ids(self) -> list[str]:
        return [message.id for message in self]


def crawled(row: Source, sink: Sink | None = None) -> tuple[session.Report, Sink]:
    """One crawl, whose posts are recorded at once."""
    sink = Sink() if sink is None else sink
    report = session.run(row.name, sink)
    services.record_posts(sink)
    row.refresh_from_db()
    return report, sink


# --- what goes on ----------------------------------------------------------------------------------------------------


def test_many_posts_leave_in_chunks_while_they_are_read(shown: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "CHUNK", 10)
    for number in range(35):
        shown.put(number)
    read: list[int] = []
    shown.seam = lambda: read.append(1)

    class Watching(Sink):
        def __call__(self, messages: Sequence[CrawlerMessage]) -> None:
            super().__call__(messages)
            assert len(read) == len(self)

    _, sink = crawled(watched(), Watching())

    assert sink.sizes == [10, 10, 10, 5]
    assert sink.ids == [str(number) for number in range(35)]


def test_ids_that_go_backwards_are_posts_like_others(shown: Board) -> None:
    row = watched()
    for number in (900, 5, 700, 1):
        shown.put(number)
        assert crawled(row)[0].fresh == 1


def test_an_edit_goes_on_as_another_revision_and_a_known_one_does_not(shown: Board) -> None:
    row = watched()
    shown.put(1)
    crawled(row)
    shown.notices[0].revision = 1

    _, sink = crawled(row)
    again, _ = crawled(row)

    assert [(one.id, one.revision) for one in sink] == [("1", 1)]
    assert (again.fresh, again.total) == (0, 1)


def test_one_post_twice_in_a_crawl_leaves_once(shown: Board) -> None:
    shown.put(1)
    shown.notices.append(shown.notices[0])

    assert crawled(watched())[1].ids == ["1"]


def test_near_duplicates_both_go_on_and_are_linked(shown: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    words = "Sample exchange lists the sample coin tomorrow at noon, deposits open this evening for everybody"

    def alike(notice: Notice) -> CrawlerMessage:
        return msgspec.structs.replace(message(notice), data=words + "!" * notice.id)

    monkeypatch.setattr("tests.apps.sources.crawling.board.message", alike)
    shown.put(1)
    shown.put(2)

    _, sink = crawled(watched())

    first, copy = Post.objects.order_by("native_id")
    assert sink.ids == ["1", "2"]
    assert (first.near_duplicate_of_id, copy.near_duplicate_of_id) == (None, first.pk)


def test_one_bad_item_takes_nobody_along(shown: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    def some_bad(notice: Notice) -> CrawlerMessage:
        changes = {2: {"data": ""}, 3: {"channel": "elsewhere"}, 4: {"author": None}}.get(notice.id, {})
        return msgspec.structs.replace(message(notice), **changes)

    monkeypatch.setattr("tests.apps.sources.crawling.board.message", some_bad)
    for number in range(1, 6):
        shown.put(number)
    row = watched()

    report, sink = crawled(row)

    assert (sink.ids, report.outcome) == (["1", "5"], "ok")
    assert row.last_error == "3 of 5 dropped; data: is empty; a post of type text needs words"
    assert (row.failures, row.last_result) == (0, "2 new of 5")


def test_a_post_from_the_future_goes_on_and_counts_as_no_lag(shown: Board) -> None:
    shown.put(1, timedelta(days=-400))
    row = watched()

    _, sink = crawled(row)

    assert sink.ids == ["1"]
    assert row.lag_last_seconds == 0


# --- what is remembered ----------------------------------------------------------------------------------------------


def test_lag_is_told_by_row_and_metric_and_history_is_none(shown: Board) -> None:
    for hours in (48, 3, 2, 1):
        shown.put(hours, timedelta(hours=hours))
    row = watched(name="lagging")
    labels = {"kind": "board", "source": "lagging"}

    crawled(row)

    assert REGISTRY.get_sample_value("tradebot_crawl_lag_seconds_count", labels) == 3
    assert row.lag_last_seconds == pytest.approx(3600, abs=30)
    assert row.lag_p50_seconds == pytest.approx(7200, abs=30)


def test_notes_of_a_plugin_stand_on_the_row(shown: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOARD_TOKEN", "sample-secret-token")
    row = watched(config={"api_token": "env:BOARD_TOKEN"})
    from tests.apps.sources.crawling.board import BoardCrawler

    def noted(self: BoardCrawler, shown: list[Notice]) -> None:
        self.notes = {"@somebody": "suspended\x00, told with sample-secret-token"}

    monkeypatch.setattr(BoardCrawler, "_remember", noted)

    crawled(row)

    assert row.notes == {"@somebody": "suspended\\u0000, told with ***"}


def test_a_post_that_is_gone_is_noted_in_every_revision_and_in_later_ones(shown: Board) -> None:
    row = watched()
    shown.put(1)
    shown.put(2)
    crawled(row)
    shown.notices[0].revision = 1
    crawled(row)
    edited = message(Notice(1, revision=2))
    del shown.notices[0]

    report, _ = crawled(row)
    services.record_posts([edited])

    assert report.deleted == 1
    gone = dict(Post.objects.values_list("native_id", "deleted_at"))
    assert gone["2"] is None
    assert Post.objects.filter(native_id="1", deleted_at__isnull=False).count() == 3


def test_a_deletion_that_is_told_before_its_post_arrives_is_not_lost() -> None:
    late = message(Notice(7))
    crawl_services.note_deletions([ports.Deletion("board", "board", "7", late.seen_at)])

    services.record_posts([late])

    assert Post.objects.get().deleted_at == late.seen_at


def test_the_first_sight_of_a_deletion_stands() -> None:
    first, later = datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 1, 2, tzinfo=UTC)
    services.record_posts([message(Notice(7))])

    marked = [crawl_services.note_deletions([ports.Deletion("board", "board", "7", seen)]) for seen in (first, later)]

    assert marked == [1, 0]
    assert (Post.objects.get().deleted_at, Deletion.objects.get().seen_at) == (first, first)


@pytest.mark.parametrize("channel", ["@SampleChannel", "samplechannel"])
def test_a_deletion_finds_its_post_however_its_channel_is_written(channel: str) -> None:
    services.record_posts([msgspec.structs.replace(message(Notice(7)), source="telegram", channel="SampleChannel")])

    assert crawl_services.note_deletions([ports.Deletion("telegram", channel, "7", datetime.now(UTC))]) == 1


# --- what goes wrong -------------------------------------------------------------------------------------------------


def test_posts_read_before_the_source_broke_off_go_on_and_nothing_is_remembered(shown: Board) -> None:
    shown.put(1)
    row = watched()
    shown.error = TransientError("502 from the board")

    report, sink = crawled(row)

    assert (report.outcome, sink.ids) == ("failed", ["1"])
    assert (row.state, row.failures, row.last_error) == ({}, 1, "502 from the board")
    assert row.next_run_at - datetime.now(UTC) > timedelta(seconds=100)


def test_a_source_that_is_throttled_waits_exactly_so_long_and_has_not_failed(shown: Board) -> None:
    until = datetime.now(UTC) + timedelta(minutes=17)
    row = watched(failures=0)
    shown.error = Throttled("the limit of the board is reached", until)

    report, _ = crawled(row)

    assert report.outcome == "throttled"
    assert (row.next_run_at, row.throttled_until) == (until, until)
    assert (row.failures, row.last_error) == (0, "")
    assert "limit of the board" in row.last_result
    assert crawl_due() == []


def test_a_wait_that_is_over_already_means_the_usual_pause(shown: Board) -> None:
    row = watched()
    shown.error = Throttled("slow down", datetime.now(UTC) - timedelta(seconds=1))

    crawled(row)

    assert row.throttled_until is None
    assert row.next_run_at > datetime.now(UTC) + timedelta(seconds=50)


@pytest.mark.parametrize("until", [FAR, FAR.replace(tzinfo=None)], ids=["a zone", "none"])
def test_a_wait_without_end_is_a_week(shown: Board, until: datetime) -> None:
    row = watched()
    shown.error = Throttled("never again", until)

    crawled(row)

    assert row.throttled_until is not None
    assert timedelta(days=6.9) < row.throttled_until - datetime.now(UTC) < timedelta(days=7)


def test_the_next_good_crawl_ends_the_wait(shown: Board) -> None:
    row = watched()
    shown.error = Throttled("slow down", datetime.now(UTC) + timedelta(hours=1))
    crawled(row)
    shown.error = None

    crawled(row)

    assert row.throttled_until is None


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("broken_init", "ZeroDivisionError: plugin bug in init"),
        ("broken_state", "not JSON serializable"),
        ("broken_import", "there is no crawler 'broken_import'; installed are board, broken_init, broken_state"),
    ],
)
def test_a_broken_plugin_pauses_its_own_source_and_no_other(shown: Board, kind: str, reason: str) -> None:
    shown.put(1)
    broken, good = watched(name="broken", kind=kind), watched()

    report, _ = crawled(broken)

    assert report.outcome == "failed"
    assert reason in broken.last_error
    assert broken.failures == 1
    assert crawled(good)[0].outcome == "ok"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"pagse": 3}, "pagse: is no setting of this crawler; known are api_token, pages"),
        ({"pages": "three"}, "pages: does not fit: Expected `int`, got `str`"),
        ({"api_token": "sample-secret-token"}, "api_token: is a secret; name where it is kept: env:NAME or file:PATH"),
        ({"api_token": "env:NO_SUCH_VARIABLE"}, "api_token: the environment has no NO_SUCH_VARIABLE"),
    ],
)
def test_settings_that_do_not_fit_are_named(shown: Board, config: dict[str, Any], reason: str) -> None:
    row = watched(config=config)

    crawled(row)

    assert row.last_error.startswith(reason)
    assert "sample-secret-token" not in row.last_error


def test_a_plugin_gets_secrets_and_tells_none(shown: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOARD_TOKEN", "sample-secret-token")
    row = watched(config={"api_token": "env:BOARD_TOKEN"})
    shown.error = PermanentError("401 for Bearer sample-secret-token")

    crawled(row)

    assert shown.secret == "sample-secret-token"
    assert row.last_error == "401 for Bearer ***"


# --- who crawls ------------------------------------------------------------------------------------------------------


def test_what_another_node_fetches_is_left_alone(shown: Board) -> None:
    shown.put(1)
    row = watched(leased_by="node-b#1", leased_until=datetime.now(UTC) + timedelta(minutes=1))

    report, sink = crawled(row)

    assert (report.outcome, sink.ids) == ("busy", [])
    assert row.leased_by == "node-b#1"


def test_who_lost_the_lease_publishes_and_remembers_nothing(shown: Board) -> None:
    shown.put(1)
    row = watched()

    def taken_over() -> None:
        Source.objects.update(leased_by="node-b#1", leased_until=datetime.now(UTC) + timedelta(minutes=1))

    shown.seam = taken_over

    report, sink = crawled(row)

    assert (report.outcome, sink.ids, row.state) == ("busy", [], {})
    assert row.leased_by == "node-b#1"


def test_what_a_dead_node_left_is_due_at_once_but_not_for_ever() -> None:
    over = datetime.now(UTC) - timedelta(seconds=1)
    later = datetime.now(UTC) + timedelta(hours=1)
    row = watched(next_run_at=later)
    claims = []
    for _ in range(3):
        Source.objects.update(leased_by="node-a#1", leased_until=over)
        claims.append([claimed.name for claimed in crawl_due()])

    row.refresh_from_db()
    assert claims == [[row.name], [row.name], []]
    assert "node-a died" in row.last_error
    assert row.next_run_at > datetime.now(UTC) + timedelta(minutes=5)


def test_a_task_for_what_is_switched_off_or_gone_by_now_does_nothing(shown: Board) -> None:
    row = watched(enabled=False)

    assert [run(row.name), run("gone")] == [0, 0]

    row.refresh_from_db()
    assert row.last_run_at is None


def test_a_crawl_that_takes_too_long_says_so(shown: Board) -> None:
    row = watched()
    shown.error = SoftTimeLimitExceeded()

    crawled(row)

    assert row.last_error == "the crawl took too long and was stopped; fetch less at once"


def test_what_is_being_fetched_is_not_due() -> None:
    watched(leased_by="node-a#1", leased_until=datetime.now(UTC) + timedelta(minutes=1))

    assert crawl_due() == []
