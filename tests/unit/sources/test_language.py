"""Short posts, told apart by script and words."""

from __future__ import annotations

import pytest

from apps.sources.domain.language import language


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("BTC to the moon", "en"),
        ("gm", "en"),
        ("$BTC 🚀", "en"),
        ("HODL", "en"),
        ("One word: Doge", "en"),
        ("Der Bitcoin steigt heute sehr stark an", "de"),
        ("El precio de bitcoin sube mucho hoy", "es"),
        ("Bitcoin düşüyor, herkes satıyor", "tr"),
        ("比特币突破三万美元", "zh"),
        ("BTC 突破 30000 USDT，多头加仓", "zh"),
        ("Binance 将上线 PEPE", "zh"),
        ("ビットコインが上昇しています", "ja"),
        ("日本の取引所がビットコインを上場", "ja"),
        ("비트코인 급등", "ko"),
        ("биткоин растет", "ru"),
        ("біткоїн росте щодня", "uk"),
        ("ارتفع سعر البيتكوين", "ar"),
        ("Binance will list PEPE (狗狗币) soon after the vote", "en"),
        ("🚀🚀🚀", "und"),
        ("12345 !!", "und"),
        ("", "und"),
    ],
)
def test_language(text: str, code: str) -> None:
    assert language(text) == code
