"""Web addresses in a text: what stands in them is no speech."""

from __future__ import annotations

import re

PATTERN = r"(?i:https?://|\bwww\.)[!-~]+"
"""Ends where a Chinese sentence goes on without a blank. Both Python and the tokenizers read it."""
_LINK = re.compile(PATTERN)


def unlinked(text: str) -> str:
    """`text` with blanks for each address, so that every place in it stays what it was."""
    return _LINK.sub(lambda found: " " * len(found.group()), text)
