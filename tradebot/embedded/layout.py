"""Where a stack keeps its things: every path under var/, and the modes that keep other users out."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tradebot.embedded.errors import StackError

CHECKOUT = Path(__file__).resolve().parent.parent.parent

# A Unix socket's path holds 108 bytes, and supervisord first binds a longer temporary name beside it.
_SOCKET_LIMIT = 90
_OTHER_PLACE = "set VAR_DIR to a folder of your own"


@dataclass(frozen=True)
class Layout:
    """The folders of one stack."""

    var: Path

    @classmethod
    def default(cls) -> Layout:
        """The stack of this checkout: VAR_DIR, or var/ beside manage.py."""
        return cls(Path(os.environ.get("VAR_DIR") or CHECKOUT / "var").resolve())

    @property
    def secrets(self) -> Path:
        return self.var / "secrets"

    @property
    def logs(self) -> Path:
        return self.var / "log"

    @property
    def run_file(self) -> Path:
        return self.var / "run.json"

    @property
    def ports(self) -> Path:
        return self.var / "ports.json"

    @property
    def prometheus(self) -> Path:
        return self.var / "prometheus"

    @property
    def control(self) -> Path:
        """supervisord's own folder: configuration, pid file, lock."""
        return self.var / "supervisor"

    @property
    def config(self) -> Path:
        return self.control / "supervisord.conf"

    @property
    def lock(self) -> Path:
        return self.control / "lock"

    @property
    def socket(self) -> Path:
        """supervisord's socket, in a short private folder when var/ lies too deep for one."""
        near = self.control / "sock"
        if len(str(near)) <= _SOCKET_LIMIT:
            return near
        digest = hashlib.sha256(str(self.var).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"tradebot-{os.getuid()}-{digest}" / "sock"

    def log(self, program: str) -> Path:
        return self.logs / f"{program}.log"

    def create(self) -> None:
        """Makes the folders. var/ itself may be passed through, because the database's user has to."""
        _own(self.var).chmod(0o711)
        for folder in (self.secrets, self.logs, self.control, self.prometheus, self.socket.parent):
            private(folder)


def private(folder: Path) -> Path:
    """The folder, made, and closed to everyone else. StackError when another user owns it."""
    _own(folder).chmod(0o700)
    return folder


def _own(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        owner = folder.stat().st_uid
    except OSError as error:
        raise StackError(f"{folder} can't be made: {error.strerror}", remedy=_OTHER_PLACE) from error
    if owner != os.getuid():
        raise StackError(f"{folder} belongs to another user", remedy=_OTHER_PLACE)
    return folder


def write_private(path: Path, content: str) -> None:
    """Replaces a file at once (no reader sees half of it), readable by its owner alone."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(path)
