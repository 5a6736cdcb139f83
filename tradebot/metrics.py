"""GET /metrics: the numbers of the web and of every worker that writes under the same PROMETHEUS_MULTIPROC_DIR."""

from __future__ import annotations

import hmac
import ipaddress
import os
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Metric, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP")


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text for a scraper on this machine, or for one that sends `Authorization: Bearer METRICS_TOKEN`."""
    if not (_is_local(request) or _has_token(request)):
        return HttpResponse("Scrape from this machine, or send Authorization: Bearer METRICS_TOKEN.\n", status=403)
    return HttpResponse(generate_latest(_registry()), content_type=CONTENT_TYPE_LATEST)


def _is_local(request: HttpRequest) -> bool:
    """A proxy on this machine is not the caller: whoever it speaks for needs the token."""
    if any(header in request.META for header in FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def _has_token(request: HttpRequest) -> bool:
    if not settings.METRICS_TOKEN:
        return False
    wanted = f"Bearer {settings.METRICS_TOKEN}"
    return hmac.compare_digest(request.headers.get("Authorization", "").encode(), wanted.encode())


class _Folders(MultiProcessCollector):
    """Reads sub-folders too: containers share a volume but not their process numbers, so each has a folder."""

    def collect(self) -> Iterable[Metric]:
        files = [str(file) for file in Path(self._path).rglob("*.db")]
        merged: Iterable[Metric] = self.merge(files, accumulate=True)  # type: ignore[no-untyped-call]
        return merged


def _registry() -> CollectorRegistry:
    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return REGISTRY
    everyone = CollectorRegistry()
    _Folders(everyone)  # type: ignore[no-untyped-call]
    return everyone
