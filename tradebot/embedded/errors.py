"""What can go wrong while a stack starts, told with its log and its remedy."""

from __future__ import annotations

from pathlib import Path

_LOG_LINES = 15


class StackError(Exception):
    """A failure that a person must act on: what failed, the last lines of its log, and the remedy."""

    def __init__(self, what: str, *, remedy: str = "", log: Path | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy
        self.log = log

    def explain(self) -> str:
        """The whole story, as it is shown to the person who typed the command."""
        parts = [self.what]
        if lines := last_lines(self.log):
            parts.append(f"Last lines of {self.log}:\n" + "\n".join(f"    {line}" for line in lines))
        if self.remedy:
            parts.append(f"Remedy: {self.remedy}")
        return "\n".join(parts)


def last_lines(log: Path | None, count: int = _LOG_LINES) -> list[str]:
    """The last lines of a log; none when there is no such file."""
    if log is None or not log.is_file():
        return []
    return log.read_text(errors="replace").splitlines()[-count:]
