"""What runs in threads beside the streams."""

from __future__ import annotations

import threading

from workers.companions import Companion


def never() -> None:
    raise AssertionError("nobody asked for it")


def test_one_that_breaks_is_not_missing_unnoticed() -> None:
    ended = threading.Event()

    def work() -> None:
        raise ValueError("broken")

    companion = Companion("relay", work, never, ended.set)
    companion.start()
    assert ended.wait(5)
    companion.join(5)
    assert companion.failed


def test_one_that_ends_by_itself_has_failed_too() -> None:
    ended = threading.Event()
    companion = Companion("relay", lambda: None, never, ended.set)
    companion.start()
    assert ended.wait(5)
    assert companion.failed


def test_one_that_was_told_to_stop_has_not_failed() -> None:
    told = threading.Event()
    companion = Companion("relay", lambda: None if told.wait(5) else never(), told.set, never)
    companion.start()
    companion.stop()
    companion.join(5)
    assert not companion.failed
    assert not companion.is_alive()
