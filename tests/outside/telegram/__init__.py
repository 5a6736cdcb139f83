"""Telegram as it looks from outside: its public preview over HTTP, and its MTProto server, over the same channels."""
