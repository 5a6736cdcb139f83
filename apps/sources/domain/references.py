"""How settings name a secret instead of holding it: `env:NAME`, `file:PATH`."""

from __future__ import annotations

import re
from typing import NamedTuple

_REFERENCE = re.compile(r"(env|file):(?!//)(\S.*)", re.DOTALL)
_SECRET_KEY = re.compile(r"(^|_)(token|secret|password|passphrase|api_hash|api_key|private_key|authorization|cookie)$")


class Reference(NamedTuple):
    """Where a secret is kept: `kind` is env or file, `name` a variable or a path."""

    kind: str
    name: str


def reference(text: str) -> Reference | None:
    """What a setting refers to; None for one that is no reference. A URL (`file://…`) is none."""
    found = _REFERENCE.fullmatch(text)
    return Reference(found[1], found[2]) if found else None


def names_a_secret(key: str) -> bool:
    """Whether a setting of this name holds a secret, so that only a reference may stand there."""
    return _SECRET_KEY.search(key.lower()) is not None
