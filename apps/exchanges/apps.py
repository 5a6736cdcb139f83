"""Django's name for this app."""

from django.apps import AppConfig


class ExchangesConfig(AppConfig):
    name = "apps.exchanges"
    label = "exchanges"
    verbose_name = "Exchanges"
    default_auto_field = "django.db.models.BigAutoField"
