"""Logs: one JSON object a line, every source through the same door, and no secret in any of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlsplit

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

MASK = "****"
SHORTEST_SECRET = 6
"""Values shorter than this are not looked for: masking every "test" would say more than it hides."""

LONGEST_TEXT = 20_000
"""Characters of one logged value that are kept."""

_NAMES = (
    r"(?:pass(?:word|wd|phrase)?|secret\w{0,20}|api[_-]?key|\w{0,20}token|signature"
    r"|authorization|cookies?|private_?key|credential_keys|dek|envelope)"
)
_SECRET_KEY = re.compile(rf"(?:^|[_-]){_NAMES}$|apikey$", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(\b[a-z][a-z0-9+.-]{0,20}://[^\s:/@]{0,100}:)[^\s@]{1,300}(?=@)")
_HEADER = re.compile(r"(\b(?:Token|Bearer|Basic)\s{1,5})[A-Za-z0-9._~+/=-]{8,}")
_NAMED = re.compile(
    rf"""((?:\b|[_-]){_NAMES}\\?["']?\s{{0,5}}[:=]\s{{0,5}}\\?(?P<quote>["'])?)"""
    r"""(?(quote)[^"'\\]{1,500}|[^\s"'&,;)}\]\\]+)""",
    re.IGNORECASE,
)
_KEY_BLOCK = re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,30}-----|\Z)", re.DOTALL)
_OUR_TOKEN = re.compile(r"\btb_[A-Za-z0-9_-]{20,}")
_FERNET = re.compile(r"\bgAAAAA[A-Za-z0-9_=-]{40,}")
_WEB_TOKEN = re.compile(r"\beyJ[A-Za-z0-9_-]{8,2000}\.[A-Za-z0-9_-]{1,4000}\.[A-Za-z0-9_-]*")
_TELEGRAM_BOT = re.compile(r"\b\d{8,10}:[A-Za-z0-9_-]{35}\b")
_BINANCE_KEY = re.compile(r"\b(?=[a-z0-9]{0,63}[A-Z])(?=[A-Z0-9]{0,63}[a-z])[A-Za-z0-9]{64}\b")

_KEPT_START = (_URL_PASSWORD, _HEADER, _NAMED)
_WHOLE = (_KEY_BLOCK, _OUR_TOKEN, _FERNET, _WEB_TOKEN, _TELEGRAM_BOT, _BINANCE_KEY)


def masker(known: Iterable[str] = ()) -> Callable[[Any], Any]:
    """A function that masks secrets anywhere in a nested value: `known` ones by value, others by name or by form."""
    literal = sorted({value for value in known if len(value) >= SHORTEST_SECRET}, key=len, reverse=True)
    exact = re.compile("|".join(map(re.escape, literal))) if literal else None

    def mask(value: Any) -> Any:
        if isinstance(value, str):
            return _mask_text(value, exact)
        if isinstance(value, Mapping):
            return {mask(key): MASK if item and _is_secret(key, item) else mask(item) for key, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [mask(item) for item in value]
        return value if value is None or isinstance(value, (bool, int, float)) else mask(str(value))

    return mask


def configure(*, json: bool, secrets: Iterable[str | None] = (), level: str = "INFO") -> dict[str, Any]:
    """Set structlog up and return Django's LOGGING: JSON lines (or plain ones) on stderr.

    `secrets` are this installation's own; of a URL only its password counts.
    """
    mask = _processor(masker(_plain(secrets)))
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    ending = structlog.processors.JSONRenderer(ensure_ascii=False) if json else _plain_renderer()
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [*_SHARED, structlog.stdlib.ExtraAdder()],
        "processors": [_drop_record, structlog.processors.format_exc_info, mask, ending],
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structured": formatter},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "structured", "stream": "ext://sys.stderr"}
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            **{name: {"handlers": [], "level": "NOTSET", "propagate": True} for name in _OTHERS},
            **{name: {"level": "WARNING"} for name in _CHATTY},
        },
    }


def trace(*, root_id: str, stage: str) -> AbstractContextManager[None]:
    """Everything logged inside says which post it is about (`root_id`) and which stage was at work."""
    return structlog.contextvars.bound_contextvars(root_id=root_id, stage=stage)


_OTHERS = ("django", "django.server", "django.request", "celery", "kombu", "amqp")
"""Loggers that come with handlers of their own."""

_CHATTY = ("celery.worker.strategy", "celery.app.trace", "httpx", "telethon")
"""Loggers with a line or two for every message or request, which metrics and receipts tell better and cheaper."""

_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def _processor(mask: Callable[[Any], Any]) -> Processor:
    def masked(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        clean: EventDict = mask(event)
        return clean

    return masked


def _drop_record(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    event.pop("_record", None)
    event.pop("_from_structlog", None)
    return event


def _plain_renderer() -> Processor:
    return structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)


def _plain(secrets: Iterable[str | None]) -> Iterable[str]:
    for value in filter(None, secrets):
        yield (urlsplit(value).password or "") if "://" in value else value


def _is_secret(key: object, value: object) -> bool:
    return bool(_SECRET_KEY.search(str(key))) and not isinstance(value, (bool, int, float))


def _mask_text(text: str, exact: re.Pattern[str] | None) -> str:
    if len(text) > LONGEST_TEXT:
        text = f"{text[:LONGEST_TEXT]}… ({len(text) - LONGEST_TEXT} more characters)"
    if exact:
        text = exact.sub(MASK, text)
    for pattern in _WHOLE:
        text = pattern.sub(MASK, text)
    for pattern in _KEPT_START:
        text = pattern.sub(rf"\1{MASK}", text)
    return text
