"""The settings of the LLM analyzer, checked when the plugin is made: every error names its setting and the remedy."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from tradebot.contracts.errors import NotConfigured

WEIGHT = 0.4
LONGEST_TIMEOUT = 20
MOST_PARALLEL = 32
_KEY_BYTES = 8_192
_REFERENCE = re.compile(r"(env|file):(?!//)(\S.*)")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class LLMConfig:
    """`url` ends with its version (`…/v1`). `timeout`: seconds for one post. `daily_…`: what all workers may use in a
    day (UTC), 0 is nothing."""

    url: str
    model: str
    api_key: str = field(default="", repr=False)
    timeout: float = 4.0
    daily_requests: int = 1_000
    daily_requests_per_source: int = 100
    daily_tokens: int = 2_000_000
    daily_tokens_per_source: int = 200_000
    parallel: int = 4
    weight: float = WEIGHT


def read(given: Mapping[str, Any] | None = None) -> LLMConfig:
    """From the settings `LLM_…`, with `given` (`{"url": …, "weight": …}`) before them; raises NotConfigured."""
    wanted = given or {}

    def setting(name: str) -> Any:
        return wanted.get(name, getattr(settings, f"LLM_{name.upper()}"))

    return LLMConfig(
        url=_url(str(setting("url"))),
        model=_model(str(setting("model"))),
        api_key=_key(str(setting("api_key") or "")),
        timeout=_within("LLM_TIMEOUT", setting("timeout"), 0.1, LONGEST_TIMEOUT),
        daily_requests=_count("LLM_DAILY_REQUESTS", setting("daily_requests")),
        daily_requests_per_source=_count("LLM_DAILY_REQUESTS_PER_SOURCE", setting("daily_requests_per_source")),
        daily_tokens=_count("LLM_DAILY_TOKENS", setting("daily_tokens")),
        daily_tokens_per_source=_count("LLM_DAILY_TOKENS_PER_SOURCE", setting("daily_tokens_per_source")),
        parallel=int(_within("LLM_PARALLEL", setting("parallel"), 1, MOST_PARALLEL)),
        weight=_within("the weight of llm", wanted.get("weight", WEIGHT), 0, 100),
    )


def _url(text: str) -> str:
    if not text.strip():
        raise NotConfigured("LLM_URL is empty; set it to the server's address, like http://127.0.0.1:11434/v1")
    try:
        parts = urlsplit(text.strip())
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise NotConfigured("LLM_URL is no address of a server; write it like http://127.0.0.1:11434/v1")
    if parts.username or parts.password:
        raise NotConfigured("LLM_URL holds a password; put the key into LLM_API_KEY")
    if parts.query or parts.fragment:
        raise NotConfigured("LLM_URL has something after ? or #; end it with the version, like /v1")
    path = parts.path.rstrip("/").removesuffix("/chat/completions")
    return f"{parts.scheme}://{parts.netloc}{path or '/v1'}"


def _model(text: str) -> str:
    name = text.strip()
    if not name:
        raise NotConfigured("LLM_MODEL is empty; name the model as the server lists it (GET LLM_URL/models)")
    if not name.isprintable() or len(name) > 200:
        raise NotConfigured("LLM_MODEL must be one line of at most 200 characters")
    return name


def _key(text: str) -> str:
    """The key itself: what stands there, or what `env:NAME` or `file:PATH` refer to."""
    found = _REFERENCE.fullmatch(text.strip())
    key = _referred(found[1], found[2]) if found else text.strip()
    if not key.isascii() or not all(letter.isprintable() and letter != " " for letter in key):
        raise NotConfigured("LLM_API_KEY must be one word of ASCII characters")
    return key


def _referred(kind: str, name: str) -> str:
    return _from_environment(name) if kind == "env" else _from_file(name)


def _from_environment(name: str) -> str:
    # The name is only repeated where it is one: somebody may have written the key itself behind "env:".
    if not _VARIABLE.fullmatch(name):
        raise NotConfigured("LLM_API_KEY: after env: comes the name of a variable, like env:MY_LLM_KEY")
    if not (value := os.environ.get(name, "").strip()):
        raise NotConfigured(f"LLM_API_KEY: the environment has no {name}; set it for the workers and start them again")
    return value


def _from_file(name: str) -> str:
    path = Path(settings.BASE_DIR) / name
    try:
        if not path.is_file():
            raise OSError(None, "it is no plain file")
        with path.open("rb") as file:
            value = file.read(_KEY_BYTES + 1).decode().strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise NotConfigured(f"LLM_API_KEY: the file it names can't be read ({reason})") from None
    if not value or len(value) > _KEY_BYTES:
        raise NotConfigured("LLM_API_KEY: the file it names must hold one key")
    return value


def _within(name: str, value: Any, low: float, high: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = low - 1
    if not low <= number <= high:
        raise NotConfigured(f"{name} must be a number from {low:g} to {high:g}")
    return number


def _count(name: str, value: Any) -> int:
    return int(_within(name, value, 0, 1e12))
