"""Posts that work against their readers, and honest ones that use some of the same words."""

from __future__ import annotations

import pytest

from apps.signals.domain.scheme import scheme


@pytest.mark.parametrize(
    "text",
    [
        "Send 0.2 ETH to syn-event.xyz and get 0.4 back",
        "To unlock your SYN bonus, verify your wallet on the page",
        "Enter your 12 words to receive SYN",
        "SYN will triple, guaranteed profit",
        "Insider tip: SYN, do not share",
        "SYN contracts are compromised, revoke your approvals at syn-rescue.io",
        "Swap your SYN into the recovery token we send to every holder",
        "SYN 合约有漏洞,请到 syn-safe.xyz 领取,授权 syn-safe.xyz",
        "Everyone buys SYN at nine, no one sells",
        "Sell your house and buy SYN",
        "At nine I reveal the coin, stay tuned. SYN was the last one",
        "九点公布币种，上一个是 SYN",
        "Only 3 seats left in the VIP room, SYN goes 50x",
        "SYN long. Entry ***, stop ***. Join our premium channel",
        "SYN 稳赚不赔,先转账激活资格",
        "全体九点统一买入 SYN",
    ],
)
def test_a_scheme_is_found_and_its_words_are_shown(text: str) -> None:
    assert "“" in scheme(text)


@pytest.mark.parametrize(
    "text",
    [
        "Buying SYN here, entry 1.00, stop 0.95, target 1.10",
        "Exchange wallets received 40M SYN, I'm selling",
        "SYN up 12% in 10 minutes, breakout",
        "An attacker drained the SYN treasury, deposits are halted",
        "You can swap SYN on every large venue now, bullish",
        "Not advice: I sold half, trust the stop",
        "The exchange announced the coin listing of SYN",
        "The premium on SYN futures is back, bullish",
        "SYN 空单止盈一,推保本",
        "接盘的都是新号,SYN 看跌",
        "冷钱包的助记词抄在纸上",
    ],
)
def test_one_weak_sign_and_traders_words_are_none(text: str) -> None:
    assert scheme(text) == ""


def test_a_very_long_text_takes_no_time() -> None:
    assert scheme("send 1 eth " + "a " * 400_000) == ""
