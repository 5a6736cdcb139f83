"""Commands that need no broker."""
