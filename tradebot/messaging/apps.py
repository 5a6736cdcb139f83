"""Django's entry for the messaging room."""

from django.apps import AppConfig


class MessagingConfig(AppConfig):
    name = "tradebot.messaging"
    label = "messaging"
    verbose_name = "Operations"
