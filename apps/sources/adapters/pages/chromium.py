"""A headless Chromium that talks to nobody but its fence, on a leash of ours."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from django.conf import settings
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.remote_connection import RemoteConnection

from apps.sources.adapters.pages import processes
from tradebot.contracts.errors import NotConfigured
from tradebot.embedded.debian import which

_COMMAND_LIMIT = 90
"""Seconds that chromedriver may take for one command; pages have their own, shorter limits."""

_FLAGS = (
    # Nothing to see, nothing kept.
    "--headless=new",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-default-apps",
    "--disable-notifications",
    "--disable-file-system",
    "--disk-cache-size=1",
    "--mute-audio",
    "--window-size=1280,2000",
    "--js-flags=--max-old-space-size=512",
    # Nothing of its own accord.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--allow-browser-signin=false",
    "--disable-client-side-phishing-detection",
    "--disable-domain-reliability",
    "--disable-breakpad",
    "--no-pings",
    "--block-new-web-contents",
    # Nothing past the proxy: no QUIC, no name look-ups, no UDP of WebRTC, no WebTransport.
    "--disable-quic",
    "--dns-prefetch-disable",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--disable-features=AsyncDns,DnsOverHttps,UseDnsHttpsSvcb,OptimizationHints,MediaRouter,WebTransport,Prerender2",
)
_PREFERENCES = {
    "webrtc.ip_handling_policy": "disable_non_proxied_udp",
    "webrtc.multiple_routes_enabled": False,
    "webrtc.nonproxied_udp_enabled": False,
    "dns_prefetching.enabled": False,
    "net.network_prediction_options": 2,
    "safebrowsing.enabled": False,
    "search.suggest_enabled": False,
    "signin.allowed": False,
    "download_restrictions": 3,
    "profile.default_content_setting_values.automatic_downloads": 2,
}


class LeashedService(ChromeService):
    """chromedriver in a session of its own, which ends with us, however we end."""

    def __init__(self, driver: Path) -> None:
        super().__init__(executable_path=sys.executable, popen_kw={"start_new_session": True})
        self._driver = driver

    @property
    def session(self) -> int:
        """The session's id."""
        return int(self.process.pid)

    def command_line_args(self) -> list[str]:
        # -I: nothing of this machine's Python settings; a few milliseconds instead of Django's second.
        return ["-I", str(processes.__file__), str(self._driver), f"--port={self.port}"]


class Chromium:
    """One running browser. `profile` is thrown away with it."""

    def __init__(self, proxy_port: int) -> None:
        browser, driver = _programs()
        self._profile = tempfile.mkdtemp(prefix="tradebot-browser-")
        self.service = LeashedService(driver)
        self.driver = Chrome(options=_options(browser, self._profile, proxy_port), service=self.service)
        self.pages = 0
        self._dead = False
        executor = self.driver.command_executor
        if isinstance(executor, RemoteConnection):
            executor.client_config.timeout = _COMMAND_LIMIT

    @property
    def session(self) -> int:
        return self.service.session

    def evaluate(self, expression: str) -> object:
        """The value of an expression over the page's elements, out of reach of the page's own scripts."""
        frame = self.driver.execute_cdp_cmd("Page.getFrameTree", {})["frameTree"]["frame"]["id"]
        world = self.driver.execute_cdp_cmd("Page.createIsolatedWorld", {"frameId": frame, "worldName": "tradebot"})
        asked = {"expression": expression, "contextId": world["executionContextId"], "returnByValue": True}
        found: object = self.driver.execute_cdp_cmd("Runtime.evaluate", asked)["result"].get("value")
        return found

    def shows(self, selector: str) -> bool:
        return bool(self.driver.find_elements(By.CSS_SELECTOR, selector))

    def forget(self) -> None:
        """Leave the page, and everything that it stored."""
        self.driver.get("about:blank")
        for command in ("Network.clearBrowserCookies", "Network.clearBrowserCache"):
            self.driver.execute_cdp_cmd(command, {})
        self.driver.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": "*", "storageTypes": "all"})

    def kill(self) -> None:
        """End every process of it, now; once."""
        if self._dead:
            return
        self._dead = True
        processes.kill_session(self.session)
        self.service.process.kill()
        self.service.process.wait()
        if self.service.process.stdin:
            self.service.process.stdin.close()
        shutil.rmtree(self._profile, ignore_errors=True)


def _programs() -> tuple[Path, Path]:
    browser, driver = which("chromium"), which("chromedriver")
    if browser is None or driver is None:
        raise NotConfigured("render: needs chromium and chromedriver (Debian: chromium chromium-driver) on this worker")
    return browser, driver


def _options(browser: Path, profile: str, proxy_port: int) -> ChromeOptions:
    options = ChromeOptions()
    options.binary_location = str(browser)
    options.unhandled_prompt_behavior = "dismiss"
    options.add_experimental_option("prefs", _PREFERENCES)
    flags = [
        *_FLAGS,
        f"--user-data-dir={profile}",
        f"--proxy-server=http://127.0.0.1:{proxy_port}",
        # Without it Chromium goes to loopback and link-local hosts by itself.
        "--proxy-bypass-list=<-loopback>",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    ]
    for flag in flags if settings.BROWSER_SANDBOX else [*flags, "--no-sandbox"]:
        options.add_argument(flag)
    return options
