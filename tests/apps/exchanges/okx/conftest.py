"""An unmodified ccxt.okx on the paper exchange."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from apps.exchanges.paper.okx.auth import passphrase
from tests.apps.exchanges.paper_process import PaperProcess


def okx_config(keys: tuple[str, str], phrase: str = "") -> dict[str, Any]:
    return {"apiKey": keys[0], "secret": keys[1], "password": phrase or passphrase(keys[1]), "enableRateLimit": False}


def plain_okx(url: str, keys: tuple[str, str], phrase: str = "") -> ccxt.okx:
    """Only its address and exact numbers are set."""
    client = ccxt.okx(okx_config(keys, phrase))
    client.number = str
    client.urls["api"]["rest"] = url
    return client


@pytest.fixture
def trader(paper: PaperProcess) -> ccxt.okx:
    return plain_okx(paper.url, paper.account({"USDT": "100000", "BTC": "2"}))
