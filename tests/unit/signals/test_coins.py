"""Which coins a text names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.signals.domain.coins import catalogue

coins = catalogue()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("$BTC and $eth", ["BTC", "ETH"]),
        ("#DOGE is great", ["DOGE"]),
        ("Bitcoin beats ether", ["BTC", "ETH"]),
        ("SOL/USDT long now", ["SOL"]),
        ("BTCUSDT looks heavy", ["BTC"]),
        ("ETH-USD rolls over", ["ETH"]),
        ("bitcoin cash and Ethereum Classic", ["BCH", "ETC"]),
        ("bitcoin's price", ["BTC"]),
        ("paid 600 USDT for SOL", ["SOL"]),
        ("比特币大涨，以太坊跟上", ["BTC", "ETH"]),
        ("比特币现金和以太坊经典", ["BCH", "ETC"]),
        ("BTC做多，狗狗币也可以", ["BTC", "DOGE"]),
        ("The Merge is done", ["ETH"]),
        ("the halving comes", ["BTC"]),
        ("the halving of Litecoin", ["LTC"]),
        ("Avalanche opens a new blockchain office", ["AVAX"]),
    ],
)
def test_names_of_every_kind_are_found(text: str, found: list[str]) -> None:
    assert coins.symbols(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "one more thing near the gas station",
        "click the link in my bio",
        "BUY ONE GET ONE FREE",
        "THIS IS THE ONE THING YOU NEED NEAR YOU",
        "an avalanche closed the road",
        "my cat Luna sleeps",
        "Solana Beach has a new pier, Cardano Street a new school",
        "see https://news.example/BTC/ETH or write to btc@mail.example",
        "thanks @bitcoin_daily",
        "word of the day: stacks",
        "DOGECOINS4FREE2024X",
    ],
)
def test_ordinary_words_are_no_coins(text: str) -> None:
    assert coins.symbols(text) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Solana looks heavy under the open. Selling 171.2 w/ stop at 176", ["SOL"]),
        ("ENA unlock, short w/ both hands", ["ENA"]),
        ("long W/USDT 0.31", ["W"]),
    ],
)
def test_with_written_short_is_no_coin(text: str, found: list[str]) -> None:
    assert coins.symbols(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Stacks: get in with a quarter now, the rest at minus 12", ["STX"]),
        ("Oasis: bought .071 in spring, sold .098 in June", ["ROSE"]),
        ("Jupiter goes live on a big exchange tomorrow", ["JUP"]),
        ("Bug in Avalanche9000 release forces validators to roll back", ["AVAX"]),
        ("were Maker to vote no on the split", ["MKR"]),
        ("Stellar and the remittance firm worked together until 2024", ["XLM"]),
        ("Stacks: on Kolmogorov and libraries", []),
        ("Jupiter is the largest planet of all", []),
        ("Oasis play Wembley again", []),
    ],
)
def test_a_name_that_is_a_word_needs_its_capital_and_a_reason(text: str, found: list[str]) -> None:
    assert coins.symbols(text) == found


@pytest.mark.parametrize("symbol", ["ONE", "LINK", "NEAR", "GAS", "OP", "SAND"])
@pytest.mark.parametrize("form", ["${}", "{}/USDT", "{} token", "the {} chart"])
def test_ambiguous_symbols_count_in_context(symbol: str, form: str) -> None:
    assert coins.symbols(form.format(symbol)) == [symbol]


@pytest.mark.parametrize(
    "text",
    ["BTС", "ВTC", "DΟGE", "Вitcoin", "$ЕTH", "#ЕTH", "ethеreum", "BТCUSDT", "ETΗ/USDT", "BTС halving"],
)
def test_a_token_of_mixed_scripts_never_resolves(text: str) -> None:
    assert coins.symbols(f"buy {text} now") == []


def test_a_mention_says_where_it_stands() -> None:
    text = "I like $DOGE and SOL/USDT"
    assert [text[found.start : found.end] for found in coins.mentions(text)] == ["$DOGE", "SOL/USDT"]


@given(st.text(max_size=300))
def test_any_text_can_be_read_and_spans_fit(text: str) -> None:
    for mention in coins.mentions(text):
        assert 0 <= mention.start < mention.end <= len(text)
        assert mention.symbol in coins.coins


def test_no_two_coins_share_a_name() -> None:
    names = [name for coin in coins for name in coin.aliases]
    assert len(names) == len(set(names))
    assert len(coins.coins) >= 60
