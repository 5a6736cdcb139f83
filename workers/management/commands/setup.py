"""manage.py setup: everything an empty database needs before posts can become orders. Safe to run at every start."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from tradebot.contracts.errors import InvalidField, NotConfigured, TradebotError

ADMIN = "admin"


class Command(BaseCommand):
    help = (
        "Create what is missing: the user admin (with ADMIN_PASSWORD), the venues, the coins and their vectors, the "
        "platform's risk policy and the schedules; then read the paper exchange's markets. Undoes no operator's change."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        steps = (_admin, _venues, _policy, _schedules, _coins, _markets)
        for step in steps:
            try:
                self.stderr.write(f"{step.__name__.strip('_'):10} {step()}")
            except TradebotError as error:
                raise CommandError(str(error)) from None


def _admin() -> str:
    from apps.accounts import selectors, services

    if selectors.user_named(ADMIN):
        return "there already"
    if not settings.ADMIN_PASSWORD:
        raise InvalidField("ADMIN_PASSWORD", "must be set (or ADMIN_PASSWORD_FILE): the admin has no default password")
    services.create_user(name=ADMIN, password=settings.ADMIN_PASSWORD, staff=True)
    return "created"


def _venues() -> str:
    from apps.exchanges import selectors, services

    services.ensure_venues()
    return ", ".join(venue.name for venue in selectors.enabled_venues()) + " enabled"


def _policy() -> str:
    from apps.trading.models import RiskPolicy

    _, created = RiskPolicy.objects.get_or_create(user=None)
    return "created, without limits" if created else "there already"


def _schedules() -> str:
    """An operator's changes to a schedule stay."""
    from django_celery_beat.models import IntervalSchedule, PeriodicTask

    from workers.topology import SCHEDULES

    for name, (task, seconds) in SCHEDULES.items():
        every, _ = IntervalSchedule.objects.get_or_create(every=int(seconds), period=IntervalSchedule.SECONDS)
        # What no worker took until the next one is due would only pile up.
        fresh = {"task": task, "interval": every, "expire_seconds": int(seconds)}
        PeriodicTask.objects.get_or_create(name=name, defaults=fresh)
    return f"{len(SCHEDULES)}"


def _coins() -> str:
    from apps.signals import services
    from apps.signals.adapters.embedder import get_embedder

    return f"{services.sync_coins(embedder=get_embedder(settings.MODEL_THREADS))}"


def _markets() -> str:
    from apps.exchanges import selectors, services
    from apps.exchanges.adapters import connect

    paper = selectors.venue("paper")
    if paper is None:
        return "the paper exchange is disabled"
    if not paper.base_url:
        raise NotConfigured("PAPER_EXCHANGE_URL must be set to read the paper exchange's markets")
    return f"{services.sync_markets(venue=paper.name, markets=connect(paper, '', '').markets())} at paper"
