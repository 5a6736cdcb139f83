"""The two error roots every stage understands, and the few errors that cross a room's border."""

from datetime import datetime


class TradebotError(Exception):
    """Root of every error that tradebot raises on purpose."""


class TransientError(TradebotError):
    """The same work may succeed later: the stage retries it with backoff."""


class Throttled(TransientError):
    """The other side named a moment before which it must not be asked again (429 with a reset, FloodWait)."""

    def __init__(self, reason: str, until: datetime) -> None:
        super().__init__(reason)
        self.until = until


class PermanentError(TradebotError):
    """The same work can never succeed: the stage dead-letters it with this reason."""


class InvalidField(PermanentError):
    """Outside data broke a rule. `field` is its path as the sender wrote it, `reason` says the remedy."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.reason = reason


class NotConfigured(TradebotError):
    """A plugin can't run with its present configuration; it is skipped and the reason logged once."""


class UnsafeAddress(PermanentError):
    """An outside address that the guarded client refuses to contact."""


class VenueError(TradebotError):
    """Root of what an exchange adapter may raise. `code` is the venue's own, as text."""

    def __init__(self, reason: str, code: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


class VenueRejected(VenueError, PermanentError):
    """The venue answered no: nothing was placed, and the same request would be refused again."""


class VenueUnavailable(VenueError, TransientError):
    """The request certainly did not reach the matching engine (refused connection, rate limit, a failed read)."""


class VenueUnknown(VenueError):
    """An order request whose fate is unknown (time-out, 5xx, dropped socket): query it, never resend it."""
