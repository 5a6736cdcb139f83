"""Where accounts touches the outside: the keys that wrap data keys."""
