"""Telegram channels: the public preview (t.me/s) through Scrapy, history and events through Telethon."""
