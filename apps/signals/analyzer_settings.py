"""Django's system check of LLM_… and TRANSFORMER_…: a setting that is wrong is told before anything starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from apps.signals.adapters import llm_config, transformer_config
from tradebot.contracts.errors import NotConfigured


def check(**_: Any) -> list[CheckMessage]:
    """What can be known anywhere: whether keys and folders are there, only the worker that needs them can tell."""
    readers: list[Callable[[], object]] = [transformer_config.folders]
    if settings.LLM_URL:
        readers.append(lambda: llm_config.read({"api_key": ""}))
    return [Error(reason, id="signals.E101") for read in readers if (reason := _refusal(read))]


def _refusal(read: Callable[[], object]) -> str:
    try:
        read()
    except NotConfigured as error:
        return str(error)
    return ""
