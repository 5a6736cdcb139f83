"""Is this process alive (/healthz), and can it reach its database, Redis and broker (/readyz)?"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import unquote, urlsplit

import amqp
import redis
import structlog
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from tradebot import heartbeat

SECONDS = 2.0
"""How long Redis or the broker may take to answer."""

log = structlog.get_logger(__name__)


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """200 as long as this process answers requests at all."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when all three servers answered, else 503; `checks` has each one's milliseconds and the failure's kind.

    `streams` tells of every living streams process. Without one the web is as ready as ever, and orders are only asked
    about, so that it changes nothing in the answer's status.
    """
    checks = {name: _measure(name, check) for name, check in CHECKS.items()}
    ready = all(check["ok"] for check in checks.values())
    status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
    told = {"status": "ok" if ready else "unavailable", "checks": checks, "streams": _streams()}
    return JsonResponse(told, status=status)


def _streams() -> dict[str, object]:
    try:
        found = heartbeat.alive("streams")
    except (redis.RedisError, ValueError, KeyError) as error:
        return {"ok": False, "error": type(error).__name__}
    return {"ok": bool(found), "processes": list(found.values())}


def _measure(name: str, check: Callable[[], None]) -> dict[str, object]:
    started = time.perf_counter()
    answer: dict[str, object] = {"ok": True}
    try:
        check()
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a server, the answer is 503 and which one
        log.warning("not_ready", server=name, error=f"{type(error).__name__}: {error}")
        answer = {"ok": False, "error": type(error).__name__}
    return {**answer, "ms": round((time.perf_counter() - started) * 1000, 1)}


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _redis(url: str) -> None:
    with redis.Redis.from_url(url, socket_connect_timeout=SECONDS, socket_timeout=SECONDS) as client:
        client.ping()


def _broker() -> None:
    if settings.BROKER_URL.startswith("amqp"):
        _rabbitmq(settings.BROKER_URL)
    else:
        _redis(settings.BROKER_URL)


def _rabbitmq(url: str) -> None:
    """Log in and leave: a bare TCP connect would also succeed while the broker refuses us."""
    parts = urlsplit(url)
    secure = parts.scheme == "amqps"
    with amqp.Connection(
        host=f"{parts.hostname}:{parts.port or (5671 if secure else 5672)}",
        userid=unquote(parts.username or "guest"),
        password=unquote(parts.password or "guest"),
        virtual_host=unquote(parts.path[1:]) or "/",
        ssl={"context": ssl.create_default_context(), "server_hostname": parts.hostname} if secure else False,
        connect_timeout=SECONDS,
        read_timeout=SECONDS,
        write_timeout=SECONDS,
    ) as link:
        link.connect()


CHECKS: dict[str, Callable[[], None]] = {
    "database": _database,
    "redis": lambda: _redis(settings.REDIS_URL),
    "broker": _broker,
}
