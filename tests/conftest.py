"""Of every test: no timing decides it, and what is logged can be read wherever a logger was used before."""

from __future__ import annotations

import pytest
import structlog
from hypothesis import HealthCheck, settings

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(autouse=True, scope="session")
def loggers_are_not_cached() -> None:
    """A cached logger keeps the processors of its first use: `capture_logs` would see nothing of it."""
    structlog.configure(cache_logger_on_first_use=False)
