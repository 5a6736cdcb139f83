"""A real browser in front of a real server, for the pages that people use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from apps.accounts import services
from apps.accounts.models import User
from apps.exchanges import services as exchanges

PASSWORD = "correct horse battery staple"
FLAGS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1000",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
"""Chromium may reach this machine only, so that a page that needs the internet fails its test."""


@pytest.fixture
def admin(db: None) -> User:
    """A superuser."""
    exchanges.ensure_venues()
    return services.create_user(name="admin", password=PASSWORD, staff=True)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """Headless Chromium with a profile of its own; CHROMIUM and CHROMEDRIVER say where it is."""
    options = Options()
    options.binary_location = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    for flag in (*FLAGS, *sandbox, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(os.environ.get("CHROMEDRIVER", "/usr/bin/chromedriver")))
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: SCREENSHOTS, or nowhere that is kept."""
    folder = os.environ.get("SCREENSHOTS")
    kept = Path(folder) if folder else tmp_path_factory.mktemp("shots")
    kept.mkdir(parents=True, exist_ok=True)
    return kept
