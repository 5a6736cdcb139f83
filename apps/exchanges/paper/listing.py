"""What the paper exchange lists by default: large coins against USDT at sample prices, not quotes of any day."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from apps.exchanges.paper.trade import Listing

QUOTE = "USDT"
MIN_NOTIONAL = Decimal(5)

_SAMPLES = """
BTC    30000     0.01      0.00001  60000
ETH    2000      0.01      0.0001   40000
BNB    300       0.01      0.001    20000
XRP    0.6       0.0001    0.1      15000
ADA    0.4       0.0001    0.1      12000
DOGE   0.08      0.00001   1        15000
SOL    40        0.01      0.001    20000
TRX    0.1       0.0001    0.1      8000
DOT    6         0.001     0.01     8000
POL    0.5       0.0001    0.1      8000
LTC    80        0.01      0.001    12000
BCH    250       0.1       0.001    8000
AVAX   15        0.01      0.01     8000
LINK   8         0.01      0.01     10000
ATOM   9         0.001     0.01     6000
UNI    5         0.001     0.01     6000
ETC    18        0.01      0.01     6000
XLM    0.12      0.0001    1        6000
FIL    4         0.001     0.01     6000
APT    7         0.01      0.01     6000
ARB    1         0.0001    0.1      6000
OP     1.4       0.001     0.01     6000
NEAR   1.5       0.001     0.1      5000
ICP    4         0.001     0.01     5000
AAVE   70        0.01      0.001    5000
ALGO   0.11      0.0001    1        5000
VET    0.018     0.00001   0.1      4000
HBAR   0.05      0.00001   1        5000
SHIB   0.000008  0.00000001 1       8000
PEPE   0.000001  0.00000001 1       8000
FLOKI  0.00003   0.00000001 1       4000
BONK   0.00001   0.00000001 1       4000
WIF    2         0.001     0.01     4000
SUI    0.7       0.0001    0.1      5000
SEI    0.2       0.0001    0.1      4000
INJ    8         0.001     0.01     4000
TIA    5         0.001     0.01     4000
GRT    0.1       0.0001    1        4000
SAND   0.4       0.0001    1        4000
MANA   0.4       0.0001    1        4000
AXS    6         0.001     0.01     4000
GALA   0.02      0.00001   1        4000
CHZ    0.08      0.00001   1        4000
CRV    0.6       0.001     0.1      4000
LDO    2         0.001     0.01     4000
RUNE   1.5       0.001     0.1      4000
EOS    0.7       0.0001    0.1      4000
XTZ    0.8       0.001     0.1      3000
THETA  0.7       0.001     0.1      3000
FTM    0.3       0.0001    1        4000
DASH   30        0.01      0.001    3000
ZEC    30        0.01      0.001    3000
"""


def default_listings() -> Mapping[str, Listing]:
    """The sample markets by symbol (BTCUSDT)."""
    listings = [_listing(*line.split()) for line in _SAMPLES.strip().splitlines()]
    return {listing.symbol: listing for listing in listings}


def _listing(base: str, price: str, tick: str, step: str, depth: str) -> Listing:
    return Listing(base, QUOTE, Decimal(price), Decimal(tick), Decimal(step), MIN_NOTIONAL, Decimal(depth))
