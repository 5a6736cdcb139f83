"""Who may speak as an exchange, and what is only said of one."""

from __future__ import annotations

import pytest

from apps.signals.domain.impersonation import impersonated

NOTICE = "Dear Binance users,\n\nBinance will list SYN today.\n\nBinance Team"


@pytest.mark.parametrize(
    ("text", "voice"),
    [
        (NOTICE, "synthetic_trader"),
        ("Binance Announcement\nBinance Will List SYN", "synthetic_trader"),
        ("OFFICIAL OKX: SYN is coming", "synthetic_trader"),
        ("Bybit official 🔔 new pair", "synthetic_trader"),
        ("Kraken, June. We will delist SYN", "synthetic_trader"),
        ("币安公告:将上线 SYN", "synthetic_trader"),
        ("SYN is live", "binance_support_desk"),
        ("SYN is live", "Coinbasse.Assets"),
        ("SYN is live", "КrakenSupport"),
        ("SYN is live", "bybit_officia1"),
        (NOTICE, "Binаnce"),
    ],
)
def test_a_stranger_must_not_speak_as_an_exchange(text: str, voice: str) -> None:
    assert impersonated(text, "twitter", voice)


@pytest.mark.parametrize(
    ("text", "source", "voice"),
    [
        (NOTICE, "twitter", "@Binance"),
        (NOTICE, "telegram", "binance_announcements"),
        (NOTICE, "rss", "exchange news"),
        ("Binance will list SYN, it's official", "twitter", "synthetic_trader"),
        ("The Binance team says SYN will be listed", "twitter", "synthetic_trader"),
        ("Upbit lists SYN. We will see where it goes", "twitter", "synthetic_trader"),
        ("Coinbase announced SYN on its official blog", "twitter", "synthetic_trader"),
        ("币安将上线 SYN", "twitter", "synthetic_trader"),
        ("SYN breaks out", "twitter", "gate_keeper"),
    ],
)
def test_an_exchange_itself_and_whoever_speaks_of_it_are_believed(text: str, source: str, voice: str) -> None:
    assert impersonated(text, source, voice) == ""


def test_the_reason_names_the_exchange_and_the_voice() -> None:
    assert impersonated(NOTICE, "twitter", "stranger") == "it speaks as Binance, and 'stranger' is none of its accounts"
