"""The receipt in a real browser: reached by a click, readable, and nothing in a post's text is carried out."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer
from selenium import webdriver
from selenium.webdriver.common.by import By

from apps.accounts.models import User
from tests.apps.trading.conftest import Trader, make_trader
from tests.apps.trading.stories import following, judged
from tests.apps.web.test_pages import _complaints, _login

pytestmark = pytest.mark.django_db(transaction=True)

HOSTILE = "Buying $BTC now <script>document.title = 'owned'</script> \u202egnihton si siht\u202c"


def executed(trader: Trader, **changes: object) -> str:
    """The id of an order that follows a hostile post, as it would after coming through every stage."""
    signal = judged(HOSTILE)
    seen = trader.clock()
    steps = {"clean": (4, 7), "features": (11, 17), "analyze": (21, 26), "dispatch": (30, 36)}
    stages = {
        name: (seen + timedelta(milliseconds=start), seen + timedelta(milliseconds=end))
        for name, (start, end) in steps.items()
    }
    trader.clock.forward(0.04)
    strategy = following(trader.user, signal)
    command = trader.command(
        signal_id=str(signal.pk), strategy_id=str(strategy.pk), stages=stages, seen_at=seen, **changes
    )
    return str(trader.execute(command).order_id)


def test_an_operator_reads_why_an_order_was_made(
    browser: webdriver.Chrome, live_server: LiveServer, admin: User, shots: Path
) -> None:
    order = executed(make_trader())
    _login(browser, live_server.url)
    browser.get(live_server.url + reverse("admin:trading_order_change", args=[order]))
    browser.find_element(By.PARTIAL_LINK_TEXT, "Receipt").click()
    assert browser.current_url.endswith("/receipt/")
    browser.set_window_size(1400, 2200)
    browser.save_screenshot(str(shots / "receipt.png"))
    answer = browser.find_element(By.ID, "answer").text
    assert "Bought 0.1 BTC at 30000 USDT on paper" in answer
    assert "follow the rocket" in browser.find_element(By.ID, "match").text
    assert (
        "kill_switch" in browser.find_element(By.ID, "checks").text
        or "stale" in browser.find_element(By.ID, "checks").text
    )
    assert "waiting for features" in browser.find_element(By.ID, "time").text
    assert "<script>" in browser.find_element(By.CSS_SELECTOR, "#post blockquote").text
    assert "owned" not in browser.title
    assert _complaints(browser) == []


def test_the_bars_of_the_timeline_stay_inside_their_line(
    browser: webdriver.Chrome, live_server: LiveServer, admin: User
) -> None:
    order = executed(make_trader())
    _login(browser, live_server.url)
    browser.get(live_server.url + reverse("admin:trading_order_receipt", args=[order]))
    tracks = browser.find_elements(By.CSS_SELECTOR, "#time .track")
    assert len(tracks) >= 8
    for track in tracks:
        line, bar = track.rect, track.find_element(By.TAG_NAME, "i").rect
        assert line["x"] - 1 <= bar["x"]
        assert bar["x"] + bar["width"] <= line["x"] + line["width"] + 3
