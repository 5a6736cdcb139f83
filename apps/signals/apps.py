"""Django's handle on the signals app."""

from __future__ import annotations

from django.apps import AppConfig
from django.core import checks


class SignalsConfig(AppConfig):
    name = "apps.signals"
    label = "signals"
    verbose_name = "Signals"

    def ready(self) -> None:
        from apps.signals import accuracy_settings, analyzer_settings, cluster_settings

        checks.register(accuracy_settings.check)
        checks.register(analyzer_settings.check)
        checks.register(cluster_settings.check)
