"""The pages people use, in a real browser without internet: landing, login, admin and API docs."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib import admin as admin_of_django
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions as until
from selenium.webdriver.support.wait import WebDriverWait

from apps.accounts import services
from apps.accounts.models import User
from tests.apps.web.belongings import belongings
from tests.apps.web.conftest import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)
SECONDS = 30


def _login(browser: webdriver.Chrome, url: str, password: str = PASSWORD) -> None:
    browser.delete_all_cookies()
    browser.get(f"{url}/admin/")
    browser.find_element(By.NAME, "username").send_keys("admin")
    browser.find_element(By.NAME, "password").send_keys(password)
    form = browser.find_element(By.ID, "login-form")
    form.submit()
    WebDriverWait(browser, SECONDS).until(until.staleness_of(form))


def _text(browser: webdriver.Chrome) -> str:
    return browser.find_element(By.TAG_NAME, "body").text


def _complaints(browser: webdriver.Chrome) -> list[str]:
    """What the browser found wrong: scripts that failed, files that are missing, policies that were broken."""
    entries: list[dict[str, str]] = browser.get_log("browser")  # type: ignore[no-untyped-call]
    return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]


def test_the_landing_page_leads_everywhere(browser: webdriver.Chrome, live_server: LiveServer, shots: Path) -> None:
    browser.get(live_server.url)
    browser.save_screenshot(str(shots / "landing.png"))
    links = {link.get_attribute("href") for link in browser.find_elements(By.CSS_SELECTOR, "nav a")}
    assert {f"{live_server.url}{path}" for path in ("/admin/", "/api/docs/", "/metrics", "/readyz")} <= links
    assert _complaints(browser) == []


def test_the_login_page_gives_no_password_away(
    browser: webdriver.Chrome, live_server: LiveServer, admin: User, shots: Path
) -> None:
    browser.delete_all_cookies()
    browser.get(f"{live_server.url}/admin/")
    browser.save_screenshot(str(shots / "login.png"))
    fields = [browser.find_element(By.NAME, name) for name in ("username", "password")]
    assert [field.get_attribute("value") for field in fields] == ["", ""]
    _login(browser, live_server.url, password="admin")
    assert "/admin/login/" in browser.current_url
    assert "Please enter the correct" in _text(browser)


def test_the_dashboard_shows_the_way_of_a_post(
    browser: webdriver.Chrome, live_server: LiveServer, admin: User, shots: Path
) -> None:
    belongings(admin)
    _login(browser, live_server.url)
    browser.save_screenshot(str(shots / "dashboard.png"))
    said = _text(browser)
    rooms = ("Sources", "Signals", "Strategies", "Trading", "Exchanges", "Accounts", "Operations")
    places = [said.index(f"{room}\n") for room in rooms]
    assert places == sorted(places)
    funnel = browser.find_element(By.ID, "funnel").text.split("\n")
    assert funnel == ["Posts", "1", "Signals", "1", "Commands", "1", "Orders", "1", "Fills", "0"]
    assert "BTC/USDT" in said
    assert _complaints(browser) == []


def test_every_admin_list_opens(browser: webdriver.Chrome, live_server: LiveServer, admin: User, shots: Path) -> None:
    _login(browser, live_server.url)
    services.issue_token(user=admin, name="laptop")
    belongings(admin)
    for model in admin_of_django.site._registry:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        browser.get(live_server.url + reverse(f"admin:{name}_changelist"))
        browser.save_screenshot(str(shots / f"list-{name}.png"))
        assert str(model._meta.verbose_name_plural).lower() in _text(browser).lower(), name
        assert _complaints(browser) == [], name


def test_a_new_token_is_shown_once(
    browser: webdriver.Chrome, live_server: LiveServer, admin: User, shots: Path
) -> None:
    _login(browser, live_server.url)
    client = live_server.url + reverse("admin:accounts_apitoken_add")
    browser.get(f"{client}?user={admin.pk}")
    browser.find_element(By.NAME, "name").send_keys("laptop")
    form = browser.find_element(By.ID, "apitoken_form")
    browser.save_screenshot(str(shots / "token-form.png"))
    form.submit()
    WebDriverWait(browser, SECONDS).until(until.staleness_of(form))
    browser.save_screenshot(str(shots / "token.png"))
    plain = next(word for word in _text(browser).split() if word.startswith("tb_") and len(word) > 30)
    assert services.use_token(plain=plain) is not None
    browser.refresh()
    assert plain not in browser.page_source


def test_the_docs_page_works_without_internet(browser: webdriver.Chrome, live_server: LiveServer, shots: Path) -> None:
    browser.get(f"{live_server.url}/api/docs/")
    shown = until.presence_of_element_located((By.CSS_SELECTOR, ".opblock-summary-path"))
    WebDriverWait(browser, SECONDS).until(shown)
    browser.save_screenshot(str(shots / "docs.png"))
    paths = {block.text.replace("\u200b", "") for block in browser.find_elements(By.CLASS_NAME, "opblock-summary-path")}
    assert "/api/v1/credentials" in paths
    assert _complaints(browser) == []
