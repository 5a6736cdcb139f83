"""Of every test: no timing decides it, and what is logged can be read wherever a logger was used before; figures that
a test tells are printed when all are through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
import structlog
from hypothesis import HealthCheck, settings

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(autouse=True, scope="session")
def loggers_are_not_cached() -> Iterator[None]:
    """A cached logger keeps the processors of its first use: `capture_logs` would see nothing of it. A test may set up
    logging itself, so whatever is configured from here on is configured without the cache."""
    configure = structlog.configure

    def uncached(**given: Any) -> None:
        configure(**{**given, "cache_logger_on_first_use": False})

    uncached()
    with mock.patch.object(structlog, "configure", uncached):
        yield


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests recorded as "told": `record_property("told", "3 of 4 posts were read")`."""
    reports = (report for category in terminalreporter.stats.values() for report in category)
    recorded = (said for report in reports for said in getattr(report, "user_properties", ()))
    if told := list(dict.fromkeys(str(value) for name, value in recorded if name == "told")):
        terminalreporter.section("told by tests")
        terminalreporter.write("".join(f"{line}\n" for line in told))
