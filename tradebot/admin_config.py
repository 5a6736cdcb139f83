"""Makes django.contrib.admin ours; the pages themselves are loaded with the addresses (tradebot/urls.py)."""

from __future__ import annotations

from django.contrib.admin.apps import SimpleAdminConfig


class TradebotAdminConfig(SimpleAdminConfig):
    """django.contrib.admin with our site as the default one, and no page before the addresses are asked for: they take
    a worker, which shows none, 15 MiB."""

    default_site = "tradebot.admin_site.TradebotSite"
