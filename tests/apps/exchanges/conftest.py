"""Real clients against a real paper exchange."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ccxt
import pytest

from apps.exchanges import selectors
from tests.apps.exchanges.paper_process import TOKEN, PaperProcess
from tradebot import valkey


@pytest.fixture(scope="session")
def running_paper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperProcess]:
    process = PaperProcess(tmp_path_factory.mktemp("paper") / "ledger.db")
    yield process
    process.stop()


@pytest.fixture
def paper(running_paper: PaperProcess) -> PaperProcess:
    """The shared exchange with its prices as listed: BTC 30000, ETH 2000, DOGE 0.08."""
    for pair, price in (("BTC/USDT", "30000"), ("ETH/USDT", "2000"), ("DOGE/USDT", "0.08")):
        running_paper.price(pair, price)
    return running_paper


@pytest.fixture
def paper_settings(paper: PaperProcess, settings: Any) -> PaperProcess:
    settings.PAPER_EXCHANGE_URL = paper.url
    settings.PAPER_EXCHANGE_TOKEN = TOKEN
    return paper


@pytest.fixture(autouse=True)
def _no_remembered_markets() -> Iterator[None]:
    selectors.forget()
    yield
    selectors.forget()


@pytest.fixture(autouse=True)
def _nothing_shared() -> Iterator[None]:
    """No test inherits another one's bans, breakers, prices or used-up budget."""
    yield
    client = valkey.client()
    for kind in ("budget", "ban", "breaker", "health", "ticker", "depth"):
        if keys := list(client.scan_iter(f"tradebot:{kind}:*", count=1000)):
            client.delete(*keys)


def plain_ccxt(url: str, keys: tuple[str, str]) -> ccxt.binance:
    """An unmodified ccxt.binance; only its addresses and its spot-only options are set."""
    client = ccxt.binance(
        {
            "apiKey": keys[0],
            "secret": keys[1],
            "enableRateLimit": False,
            "options": {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False, "fetchCurrencies": False},
        }
    )
    client.number = str
    addresses = client.urls["api"].items()
    client.urls["api"] = {name: f"{url}/{to.split('/', 3)[3]}" for name, to in addresses if isinstance(to, str)}
    return client
