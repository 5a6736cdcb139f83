"""What a page's scripts try in the real browser reaches nothing inside; an ordinary browser lets them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

from apps.sources.adapters.pages.browser import Browser, Visit
from tests.apps.sources.test_ssrf import hostile, names
from tests.outside.hostile.process import Hostile
from tradebot.contracts.errors import PermanentError, UnsafeAddress

__all__ = ["hostile", "names"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    made = Browser()
    yield made
    made.close()


def test_a_page_whose_scripts_try_every_way_reaches_nothing(browser: Browser, hostile: Hostile) -> None:
    before = hostile.counted()
    page = hostile.url("/attack", names="inside.example rebinds.example mapped.example")

    seen = browser.render(Visit(page, wait_for=".done", allow=frozenset({hostile.endpoint}), time_limit=120))

    assert hostile.counted() == before
    assert len(seen.refused) >= 40
    assert "root:" not in seen.html


def test_an_ordinary_browser_reaches_the_canary_from_the_same_page(hostile: Hostile) -> None:
    before = hostile.counted()
    options = ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    with Chrome(options=options, service=ChromeService(executable_path=_chromedriver())) as driver:
        driver.get(hostile.url("/attack"))
        _until(lambda: driver.find_elements("css selector", ".done"))
        _until(lambda: hostile.counted()["udp"] > before["udp"])

    after = hostile.counted()
    assert after["tcp"] - before["tcp"] > 40
    assert {*after["ways"]} >= {"fetch", "xhr", "img", "iframe", "ws", "redirect", "meta", "worker", "form", "beacon"}


@pytest.mark.parametrize(
    ("page", "target"),
    [
        ("/redirect", "http://127.0.0.1:{port}/"),
        ("/refresh", "http://[::1]:{port}/"),
        ("/meta", "http://localhost:{port}/"),
        ("/meta", "http://inside.example/"),
    ],
)
def test_a_page_that_leads_inside_is_not_followed(browser: Browser, hostile: Hostile, page: str, target: str) -> None:
    before = hostile.counted()
    url = hostile.url(page, to=target.format(port=hostile.canary[-1]))

    with contextlib.suppress(UnsafeAddress):
        assert "inside" not in browser.render(Visit(url, allow=frozenset({hostile.endpoint}), time_limit=20)).html

    assert hostile.counted() == before


@pytest.mark.parametrize("url", ["file:///etc/passwd", "data:text/html,x", "chrome://version", "view-source:http://a.example/",
                                 "http://127.0.0.1:{port}/", "javascript:alert(1)", "about:blank"])  # fmt: skip
def test_the_browser_opens_nothing_that_is_no_public_address(browser: Browser, hostile: Hostile, url: str) -> None:
    before = hostile.counted()

    with pytest.raises(UnsafeAddress):
        browser.render(Visit(url.format(port=hostile.canary[0])))

    assert hostile.counted() == before


def test_a_page_may_load_from_its_own_hosts_only(browser: Browser, hostile: Hostile) -> None:
    with pytest.raises(PermanentError):
        browser.render(Visit("http://public.example/", hosts=frozenset({"*.other.example"})))


def _chromedriver() -> str:
    from tradebot.embedded.debian import which

    found = which("chromedriver")
    assert isinstance(found, Path)
    return str(found)


def _until(happened: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with contextlib.suppress(WebDriverException):
            if happened():
                return
        time.sleep(0.1)
    raise AssertionError("it did not happen")
