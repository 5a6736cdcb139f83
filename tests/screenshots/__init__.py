"""Rendered screenshots with the text that stands in them, and how well they are read."""
