"""The admin: one look for every app's pages, a sidebar in the order of a post's way, and a dashboard."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from django.apps import apps
from django.conf import settings
from django.db.models import DecimalField, Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import Truncator
from redis import RedisError
from unfold.sites import UnfoldAdminSite

from tradebot import heartbeat

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite

NAVIGATION: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Sources",
        (
            ("sources.source", "rss_feed"),
            ("sources.post", "article"),
            ("sources.media", "image"),
            ("sources.crawlernode", "dns"),
            ("sources.configstatus", "tune"),
        ),
    ),
    (
        "Signals",
        (
            ("signals.signal", "insights"),
            ("signals.analysis", "psychology"),
            ("signals.accuracyscore", "target"),
            ("signals.signalaccuracy", "rule"),
            ("signals.demotion", "thumb_down"),
            ("signals.coin", "currency_bitcoin"),
        ),
    ),
    ("Strategies", (("strategies.strategy", "rule"), ("strategies.match", "join_inner"))),
    (
        "Trading",
        (
            ("trading.command", "outgoing_mail"),
            ("trading.order", "receipt_long"),
            ("trading.fill", "done_all"),
            ("trading.position", "account_balance_wallet"),
            ("trading.riskpolicy", "shield"),
            ("trading.executionreport", "fact_check"),
            ("trading.alert", "notification_important"),
        ),
    ),
    ("Exchanges", (("exchanges.venue", "currency_exchange"), ("exchanges.marketrow", "storefront"))),
    (
        "Accounts",
        (
            ("accounts.user", "person"),
            ("accounts.apitoken", "key"),
            ("accounts.credential", "lock"),
            ("auth.group", "group"),
        ),
    ),
    (
        "Operations",
        (
            ("messaging.deadletter", "mark_email_unread"),
            ("messaging.outboxmessage", "outbox"),
            ("django_celery_beat.periodictask", "schedule"),
        ),
    ),
)
"""Groups of the sidebar, each with its models (`app.model`) and their icons."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a post's way as the dashboard shows it: its model, when a row came, and what of a row to show."""

    title: str
    model: str
    moment: str
    columns: tuple[str, ...] = ()


STEPS = (
    Step("Posts", "sources.post", "seen_at", ("seen_at", "source", "author", "clean_text")),
    Step("Signals", "signals.signal", "created_at", ("created_at", "type", "confidence", "coins", "sources")),
    Step("Commands", "trading.command", "created_at"),
    Step("Orders", "trading.order", "created_at", ("created_at", "side", "pair", "amount", "status", "reason")),
    Step("Fills", "trading.fill", "at"),
)
RECENT = 6
LONGEST_CELL = 90


class TradebotSite(UnfoldAdminSite):  # type: ignore[misc]
    """Gives admin classes written for plain Django (a library's, or an app's) the look of the others."""

    index_title = "Dashboard"

    def register(
        self,
        model_or_iterable: type[Model] | Iterable[type[Model]],
        admin_class: type[Any] | None = None,
        **options: Any,
    ) -> None:
        models = [model_or_iterable] if isinstance(model_or_iterable, type) else list(model_or_iterable)
        for model in models:
            super().register(model, _readable(_dressed(admin_class), model), **options)


def _dressed(admin_class: type[Any] | None) -> type[Any]:
    from django.contrib.admin import ModelAdmin as PlainAdmin
    from unfold.admin import ModelAdmin

    if admin_class is None or admin_class is PlainAdmin:
        return cast(type[Any], ModelAdmin)
    if issubclass(admin_class, ModelAdmin):
        return admin_class
    inlines = [_dressed_inline(inline) for inline in admin_class.inlines]
    return type(admin_class.__name__, (admin_class, ModelAdmin), {"inlines": inlines, "__module__": __name__})


def _dressed_inline(inline: type[Any]) -> type[Any]:
    from django.contrib.admin import TabularInline as PlainTable
    from unfold.admin import StackedInline, TabularInline

    if issubclass(inline, (StackedInline, TabularInline)):
        return inline
    look = TabularInline if issubclass(inline, PlainTable) else StackedInline
    return type(inline.__name__, (inline, look), {"__module__": __name__})


def _readable(admin_class: type[Any], model: type[Model]) -> type[Any]:
    """Django writes a decimal with every place of its column; lists show 0.5, not 0.500000000000000000."""
    money = {field.name for field in model._meta.get_fields() if isinstance(field, DecimalField)}
    if not money.intersection(filter(_is_name, admin_class.list_display)):
        return admin_class
    columns = [_plain_column(name) if _is_name(name) and name in money else name for name in admin_class.list_display]
    return type(admin_class.__name__, (admin_class,), {"list_display": columns, "__module__": __name__})


def _is_name(column: object) -> bool:
    return isinstance(column, str)


def _plain_column(name: str) -> Callable[[Model], str | None]:
    from django.contrib.admin import display

    @display(description=name.replace("_", " "), ordering=name, empty_value="-")
    def plain(row: Model) -> str | None:
        value = getattr(row, name)
        return None if value is None else _cell(value)

    return plain


# --- sidebar ---------------------------------------------------------------------------------------------------------


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar's groups, with the pages that this person may see."""
    groups: list[dict[str, Any]] = [{"title": title, "items": _items(request, models)} for title, models in NAVIGATION]
    start = {"title": "", "items": [{"title": "Dashboard", "icon": "dashboard", "link": reverse("admin:index")}]}
    groups[-1]["items"] += _outside()
    return [start, *(group for group in groups if group["items"])]


def _items(request: HttpRequest, models: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    from django.contrib import admin

    found = []
    for label, icon in models:
        if _may_see(admin.site, request, label):
            title = str(apps.get_model(label)._meta.verbose_name_plural)
            found.append({"title": title[:1].upper() + title[1:], "icon": icon, "link": _changelist(label)})
    return found


def _may_see(site: AdminSite, request: HttpRequest, label: str) -> bool:
    registered = site._registry.get(apps.get_model(label))
    return registered is not None and registered.has_view_permission(request)


def _changelist(label: str) -> str:
    return reverse(f"admin:{label.replace('.', '_')}_changelist")


def _outside() -> list[dict[str, Any]]:
    flower = [{"title": "Flower", "icon": "local_florist", "link": settings.FLOWER_URL}] if settings.FLOWER_URL else []
    return [*flower, {"title": "API docs", "icon": "api", "link": reverse("docs")}]


# --- dashboard -------------------------------------------------------------------------------------------------------


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Adds each step's number of rows in the last 24 hours, and the newest rows of the steps that have columns."""
    from django.contrib import admin

    seen = [step for step in STEPS if _may_see(admin.site, request, step.model)]
    return {
        **context,
        "cards": [_card(step) for step in seen],
        "streams": _streams() if _may_see(admin.site, request, "accounts.credential") else "",
        "crawlers": _crawlers() if _may_see(admin.site, request, "sources.configstatus") else "",
        "tables": [_table(step) for step in seen if step.columns],
    }


def _card(step: Step) -> dict[str, Any]:
    rows = apps.get_model(step.model)._default_manager
    recent = rows.filter(**{f"{step.moment}__gte": timezone.now() - timedelta(days=1)})
    return {"title": step.title, "count": recent.count(), "link": _changelist(step.model)}


def _streams() -> str:
    """How many accounts at work are listened to, over all streams processes."""
    try:
        told = list(heartbeat.alive("streams").values())
    except (RedisError, ValueError, KeyError):
        return "Nobody can say whether the streams run: Valkey does not answer."
    if not told:
        return "No streams process runs: exchanges are asked, but not listened to."
    connected, accounts = (sum(facts[name] for facts in told) for name in ("connected", "accounts"))
    return f"Listening to {connected} of {accounts} accounts at work."


def _crawlers() -> str:
    """Whether what the crawlers' configuration says is refused; empty while all is well."""
    row = apps.get_model("sources.configstatus")._default_manager.exclude(last_error="").first()
    if row is None:
        return ""
    return Truncator(f"The crawlers' configuration is refused, and the one before it stays: {row.last_error}").chars(
        500
    )


def _table(step: Step) -> dict[str, Any]:
    rows = apps.get_model(step.model)._default_manager.order_by(f"-{step.moment}")[:RECENT]
    headers = [column.replace("_", " ") for column in step.columns]
    cells = [[_cell(getattr(row, column)) for column in step.columns] for row in rows]
    return {"title": f"Latest {step.title.lower()}", "data": {"headers": headers, "rows": cells}}


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return date_format(timezone.localtime(value), "Y-m-d H:i:s")
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return Truncator(text).chars(LONGEST_CELL)
