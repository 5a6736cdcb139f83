"""Django's entry for the workers: commands that need a broker or an adapter live here."""

from django.apps import AppConfig


class WorkersConfig(AppConfig):
    name = "workers"
