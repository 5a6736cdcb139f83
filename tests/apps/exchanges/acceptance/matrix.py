"""Which case runs on which venue, where, and the page that shows it; `make test` with VENUES_PAGE=write writes it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from apps.exchanges.adapters import DIALECTS
from apps.exchanges.adapters.ccxt_venue import CcxtVenue
from tests.apps.exchanges.acceptance.catalogue import CASES, OPTIONAL
from tests.apps.exchanges.acceptance.shared_data import CHECKS
from tests.apps.exchanges.acceptance.worlds import OWN, PAPER, PAPER_DIALECTS, VENUES
from tradebot.contracts.ports import Features

PAGE = Path(__file__).resolve().parents[4] / "docs" / "venues.md"
SIGNS = {OWN: "R", PAPER: "P"}
HELD = {
    "stop_loss": "stop-loss",
    "take_profit": "take-profit",
    "trailing_stop": "trailing stop",
    "oco": "two orders as one (OCO)",
    "replace": "replacement in one step",
    "proves_absence": "proof that an order was never placed",
}
INTRO = """# Venues: what each adapter was shown to do

This page is written by the acceptance suite (`tests/apps/exchanges/acceptance`), and a test fails when it is no longer
what the suite runs. Every case runs on every venue:

- **P**: against the paper exchange, a process of its own that speaks the venue's protocol;
- **R**: against answers recorded in the venue's documented format, served by a local HTTP server;
- **S**: against data that others recorded (`TRADEBOT_SHARED_DATA`, skipped where it is not there);
- **–**: the venue has no such thing; the case shows that it is refused and nothing is sent. It is watched by us.
"""
QUIRKS = (
    ("venue", "client id", "an id that exists already", "look-up after a time-out", "the order's own deadline"),
    ("binance", "`newClientOrderId`", "-2010, only while it is open", "by id", "`timestamp` and `recvWindow`"),
    ("okx", "`clOrdId`, stops `algoClOrdId`", "51016", "by id, then the stops", "header `expTime`, not for stops"),
    ("bybit", "`orderLinkId`", "170141", "recent orders, then history", "`X-BAPI-TIMESTAMP` and receive window"),
    ("kraken", "`cl_ord_id`", "refused while it is open", "open orders, then closed ones", "`deadline`"),
    (
        "coinbase",
        "`client_order_id`",
        "answers with that order",
        "the pair's newest 1,000",
        "none; too old is not sent",
    ),
)
NOTES = """- An OKX key has a passphrase: give it with the key (`passphrase` in `POST /api/v1/credentials`).
- Bybit means a unified trading account. A stop is a `tpslOrder`, which locks its coins at once.
- OKX pairs a stop and a target in one order with one id. We need two ids, so its OCO is not used.
- Coinbase has stops with a limit only: without a price of its own a stop may trade up to 5 % beyond its trigger.
- Kraken is asked to take every fee in the quote currency. A nonce that came too late placed nothing and is tried again.
- Kraken and Coinbase have no test network that ccxt knows: `sandbox` is refused there, a `base_url` of your own is not.
- Refusals inside of an HTTP 200 count as refusals only with a code that is known to place nothing; any other code, and
  any 5xx, cut or senseless answer, leaves the order UNKNOWN: it is queried, never sent again.
"""


def runs(source: str) -> list[tuple[str, str]]:
    """(venue, case) of everything that runs there."""
    return [(venue, case) for venue in (PAPER_DIALECTS if source == PAPER else VENUES) for case in CASES]


def render() -> str:
    """The page."""
    return "\n".join((INTRO, *_cases(), "", *_features(), "", *_quirks(), "", NOTES))


def _cases() -> list[str]:
    head = ["## Cases", "", f"| case | {' | '.join(VENUES)} |", f"|---|{'---|' * len(VENUES)}"]
    return [*head, *(f"| {_title(case)} | {' | '.join(_cell(venue, case) for venue in VENUES)} |" for case in CASES)]


def _features() -> list[str]:
    head = ["## What the venue holds for us", "", f"| | {' | '.join(VENUES)} |", f"|---|{'---|' * len(VENUES)}"]
    rows = [(words, [getattr(_held(venue), name) for venue in VENUES]) for name, words in HELD.items()]
    return [*head, *(f"| {words} | {' | '.join('yes' if one else 'no' for one in held)} |" for words, held in rows)]


def _quirks() -> list[str]:
    head, *rows = (f"| {' | '.join(row)} |" for row in QUIRKS)
    return ["## Quirks", "", head, f"|{'---|' * len(QUIRKS[0])}", *rows]


def _cell(venue: str, case: str) -> str:
    if case in OPTIONAL and not getattr(_held(venue), OPTIONAL[case]):
        return "–"
    signs = [sign for source, sign in SIGNS.items() if (venue, case) in runs(source)]
    return " ".join(sorted([*signs, *(["S"] if (venue, case) in CHECKS else [])]))


def _held(venue: str) -> Features:
    module, _, name = DIALECTS[venue].partition(":")
    adapter: type[CcxtVenue] = getattr(import_module(module), name)
    return adapter.features


def _title(case: str) -> str:
    return case.replace("_", " ")
