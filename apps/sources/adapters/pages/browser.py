"""The browser of this process: started when first needed, used for many pages, renewed now and then, always ended."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import structlog
import urllib3.exceptions
from selenium.common.exceptions import TimeoutException, WebDriverException

from apps.sources.adapters.checked import Resolver, resolve
from apps.sources.adapters.guarded import check_status
from apps.sources.adapters.pages.chromium import Chromium
from apps.sources.adapters.pages.fence import Fence, Pass
from apps.sources.adapters.pages.processes import Owners
from apps.sources.domain.address import read_url
from tradebot.contracts.errors import PermanentError, TransientError, UnsafeAddress

PAGES_PER_BROWSER = 50
_GRACE = 5.0
"""Seconds over a page's time after which everything is killed."""
_TRAFFIC = 40 * 1024 * 1024
"""Bytes that one page may load and send, pictures and scripts included."""
_LOOK_EVERY = 0.1
_READ = """JSON.stringify ? [
  (performance.getEntriesByType('navigation')[0] || {}).responseStatus || 0,
  document.documentElement ? document.documentElement.outerHTML.slice(0, %d) : '',
  document.location.href
] : null"""

_BROKEN = (WebDriverException, urllib3.exceptions.HTTPError, OSError)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Visit:
    """What to open. `wait_for`: a CSS selector that must show something, empty where the page's load is enough.
    `time_limit`: seconds for all of it. `byte_limit`: of its HTML. `hosts`, `allow`: what it may reach."""

    url: str
    wait_for: str = ""
    time_limit: float = 25.0
    byte_limit: int = 4 * 1024 * 1024
    hosts: frozenset[str] = frozenset()
    allow: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Rendered:
    """A page as its scripts left it. `refused`: what it tried to reach and was not open to it."""

    html: str
    url: str
    refused: tuple[str, ...]


class Browser:
    """At most one Chromium, one page at a time."""

    def __init__(self, resolver: Resolver = resolve) -> None:
        self._resolver = resolver
        self._lock = threading.Lock()
        self._fence: Fence | None = None
        self._chromium: Chromium | None = None

    @property
    def session(self) -> int | None:
        """The running browser's session; None while there is none."""
        return self._chromium.session if self._chromium else None

    def render(self, visit: Visit) -> Rendered:
        """Open a page and read it once it is ready. Raises UnsafeAddress, PermanentError (its status, its size) or
        TransientError (time, a browser that failed: it is killed, and the next page gets a new one)."""
        read_url(visit.url, visit.allow)
        with self._lock:
            chromium, fence = self._running()
            fence.current = Pass(visit.hosts, visit.allow, _TRAFFIC, time.monotonic() + visit.time_limit + _GRACE)
            try:
                with _killed_after(visit.time_limit + _GRACE, chromium):
                    return self._visited(chromium, visit, fence.current)
            finally:
                fence.current = None

    def close(self) -> None:
        """End the browser and its fence."""
        chromium, self._chromium = self._chromium, None
        fence, self._fence = self._fence, None
        if chromium:
            chromium.kill()
        if fence:
            fence.close()

    def _running(self) -> tuple[Chromium, Fence]:
        if self._chromium and self._chromium.pages >= PAGES_PER_BROWSER:
            self.close()
        if self._chromium is None or self._fence is None:
            self._fence = self._fence or Fence(self._resolver)
            self._chromium = Chromium(self._fence.port)
            self._fence.owners = Owners(self._chromium.session)
            _log.info("browser.started", session=self._chromium.session)
        return self._chromium, self._fence

    def _visited(self, chromium: Chromium, visit: Visit, given: Pass) -> Rendered:
        chromium.pages += 1
        try:
            found = _read(chromium, visit, given)
        except PermanentError:
            self._leave(chromium, given)
            raise
        except TimeoutException:
            self._drop()
            raise TransientError(f"the page was not ready within {visit.time_limit:.0f} s") from None
        except _BROKEN as error:
            self._drop()
            _check_refused(visit.url, given)
            raise TransientError(f"the browser failed: {_first_line(error)}") from None
        except BaseException:
            self._drop()
            raise
        self._leave(chromium, given)
        return found

    def _leave(self, chromium: Chromium, given: Pass) -> None:
        # The page's time is over: what it still has under way is cut.
        given.until = 0
        try:
            chromium.forget()
        except _BROKEN:
            self._drop()

    def _drop(self) -> None:
        chromium, self._chromium = self._chromium, None
        if chromium:
            chromium.kill()


def browser() -> Browser:
    """This process's own; a process that was forked has none of its parent's."""
    if os.getpid() not in _browsers:
        _browsers[os.getpid()] = Browser()
    return _browsers[os.getpid()]


def close_browser() -> None:
    """For the end of a process."""
    found = _browsers.pop(os.getpid(), None)
    if found:
        found.close()


_browsers: dict[int, Browser] = {}


def _read(chromium: Chromium, visit: Visit, given: Pass) -> Rendered:
    until = time.monotonic() + visit.time_limit
    chromium.driver.set_page_load_timeout(visit.time_limit)
    chromium.driver.get(visit.url)
    while visit.wait_for and not chromium.shows(visit.wait_for):
        if time.monotonic() > until:
            raise TransientError(f"the page did not show {visit.wait_for!r} within {visit.time_limit:.0f} s")
        time.sleep(_LOOK_EVERY)
    found = chromium.evaluate(_READ % (visit.byte_limit + 1))
    if not isinstance(found, list):
        raise TransientError("the page could not be read")
    status, html, url = found
    _check_refused(str(url), given)
    if str(url).startswith("chrome-error:"):
        _raise_no_page(given)
    read_url(str(url).partition("#")[0], visit.allow)
    check_status(int(status) or 200)
    if len(html) > visit.byte_limit:
        raise PermanentError(f"is larger than {visit.byte_limit} characters")
    return Rendered(str(html), str(url), tuple(given.refused))


def _check_refused(url: str, given: Pass) -> None:
    """Was the page itself refused?"""
    for target in given.refused:
        if target.startswith((url, url.partition("://")[2].partition("/")[0])):
            raise UnsafeAddress(target)


def _raise_no_page(given: Pass) -> None:
    # Where there is no page, what was refused was the page itself, or where it led.
    raise UnsafeAddress(given.refused[-1]) if given.refused else TransientError("the server gave the browser no page")


@contextlib.contextmanager
def _killed_after(seconds: float, chromium: Chromium) -> Iterator[None]:
    timer = threading.Timer(seconds, chromium.kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _first_line(error: Exception) -> str:
    return (getattr(error, "msg", None) or str(error) or type(error).__name__).splitlines()[0][:200]
