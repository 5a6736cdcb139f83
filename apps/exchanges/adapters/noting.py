"""A ccxt mixin: every request passes the venue's gate, and what became of it is noted, so that failures can be told
apart."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from apps.exchanges.adapters.budget import Answer, Gate


class Noting:
    """`sent`: a request left (or tried to); `status`: its HTTP status, None when no answer came; `told`: its JSON;
    `heard`: its headers. `gate`: shared by all accounts of the venue in this process."""

    gate: Gate | None = None
    sent = False
    status: int | None = None
    told: Any = None
    heard: Mapping[str, str] = {}
    urls: dict[str, Any]

    def refusal(self) -> tuple[str, str]:
        """Code and words of the last answer if it is a no; each dialect reads its own."""
        raise NotImplementedError

    def begin(self) -> None:
        """Forget the last request."""
        self.sent, self.status, self.told, self.heard = False, None, None, {}

    def fetch(self, url: str, method: str = "GET", *rest: Any, **named: Any) -> Any:
        """Raises VenueUnavailable, with nothing sent, while there is no room for this request."""
        self.begin()
        if self.gate is None:
            self.sent = True
            return super().fetch(url, method, *rest, **named)  # type: ignore[misc]
        self.gate.enter(method, url)
        self.sent, began, failed = True, time.monotonic_ns(), None
        try:
            return super().fetch(url, method, *rest, **named)  # type: ignore[misc]
        except Exception as error:
            failed = error
            raise
        finally:
            self.gate.leave(self._answer(began, failed))

    def _answer(self, began: int, failed: Exception | None) -> Answer:
        return Answer(self.status, self.heard, self.refusal()[0], (time.monotonic_ns() - began) // 1_000_000, failed)

    def handle_errors(self, code: int, reason: str, *rest: Any) -> Any:
        self.status, self.heard, self.told = code, rest[2] or {}, rest[4]
        return super().handle_errors(code, reason, *rest)  # type: ignore[misc]

    def close(self) -> None:
        """Connections are shared by all accounts of a venue: one of them going away must not cut the others."""

    def move_to(self, base_url: str) -> None:
        """Talk to another address than the dialect's own."""
        root = base_url.rstrip("/")
        kept = {name: to for name, to in self.urls["api"].items() if isinstance(to, str)}
        self.urls["api"] = {name: f"{root}/{to.split('/', 3)[3]}" for name, to in kept.items()}
