"""A ccxt mixin that notes what became of the last request, so that failures can be told apart."""

from __future__ import annotations

from typing import Any


class Noting:
    """`sent`: a request left (or tried to); `status`: its HTTP status, None when no answer came; `told`: its JSON."""

    sent = False
    status: int | None = None
    told: Any = None
    urls: dict[str, Any]

    def begin(self) -> None:
        """Forget the last request."""
        self.sent, self.status, self.told = False, None, None

    def fetch(self, *arguments: Any, **named: Any) -> Any:
        self.begin()
        self.sent = True
        return super().fetch(*arguments, **named)  # type: ignore[misc]

    def handle_errors(self, code: int, reason: str, *rest: Any) -> Any:
        self.status, self.told = code, rest[4]
        return super().handle_errors(code, reason, *rest)  # type: ignore[misc]

    def close(self) -> None:
        """Connections are shared by all accounts of a venue: one of them going away must not cut the others."""

    def move_to(self, base_url: str) -> None:
        """Talk to another address than the dialect's own."""
        root = base_url.rstrip("/")
        kept = {name: to for name, to in self.urls["api"].items() if isinstance(to, str)}
        self.urls["api"] = {name: f"{root}/{to.split('/', 3)[3]}" for name, to in kept.items()}
