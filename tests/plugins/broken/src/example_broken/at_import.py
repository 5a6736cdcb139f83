"""Breaks when it is imported."""

raise RuntimeError("bug at import")
