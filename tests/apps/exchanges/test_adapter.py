"""The Binance adapter keeps the port's promises against the paper exchange."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.exchanges.adapters import connect, paper_admin, warm_up
from apps.exchanges.adapters.ccxt_venue import CcxtVenue
from apps.exchanges.selectors import VenueInfo
from tests.apps.exchanges.paper_process import PaperProcess
from tradebot.contracts.errors import NotConfigured, VenueRejected, VenueUnavailable, VenueUnknown
from tradebot.contracts.ports import Balance, OrderRequest, Venue
from tradebot.contracts.values import Action, OrderType, Pair

BTC = Pair("BTC", "USDT")
A, B = "a" * 32, "b" * 32


@pytest.fixture
def venue(paper: PaperProcess) -> CcxtVenue:
    return account(paper, {"USDT": "100000", "BTC": "2"})


def account(paper: PaperProcess, deposits: dict[str, str], **more: Any) -> CcxtVenue:
    return connect(VenueInfo("paper", "binance", paper.url), *paper.account(deposits, **more))


def order(
    side: Action, amount: str, client_id: str = A, kind: OrderType = OrderType.MARKET, **more: str
) -> OrderRequest:
    prices = {name: Decimal(price) for name, price in more.items()}
    return OrderRequest(client_id, BTC, side, kind, Decimal(amount), **prices)


def test_it_is_a_venue(venue: CcxtVenue) -> None:
    port: Venue = venue
    assert port.name == "paper"


def test_markets_are_exact(venue: CcxtVenue) -> None:
    market = venue.market(BTC)
    assert market is not None
    assert (str(market.tick), str(market.step), str(market.min_notional)) == ("0.01", "0.00001", "5")
    assert market.max_amount == 9000
    assert venue.market(Pair("NOPE", "USDT")) is None
    assert len(venue.pairs()) >= 50


def test_accounts_share_the_markets_and_the_connections(paper: PaperProcess, venue: CcxtVenue) -> None:
    other = account(paper, {"USDT": "1"})
    assert other.market(BTC) is venue.market(BTC)
    assert other.client.session is venue.client.session
    assert other.client.apiKey != venue.client.apiKey
    assert other.balances() == {"USDT": Balance(Decimal(1), Decimal(0))}


def test_a_price_asked_for_a_moment_ago_is_not_asked_for_again(paper: PaperProcess, venue: CcxtVenue) -> None:
    other = account(paper, {"USDT": "1"})
    first = venue.ticker(BTC)
    assert other.ticker(BTC, max_age=60) is first
    assert other.ticker(BTC) is not first


def test_ticker_and_balances_are_decimal(venue: CcxtVenue) -> None:
    ticker = venue.ticker(BTC)
    assert (ticker.bid, ticker.last, ticker.ask) == (Decimal("29997"), Decimal("30000"), Decimal("30003"))
    assert ticker.at.tzinfo is not None
    assert venue.balances() == {
        "USDT": Balance(Decimal(100000), Decimal(0)),
        "BTC": Balance(Decimal(2), Decimal(0)),
    }


def test_market_purchase_brings_its_fills_and_fees(venue: CcxtVenue) -> None:
    placed = venue.place(order(Action.BUY, "3"))
    assert (placed.status, placed.filled, placed.client_id, placed.type) == ("filled", Decimal(3), A, "market")
    assert len(placed.fills) == 2
    assert sum(fill.amount for fill in placed.fills) == 3
    assert sum(fill.fee for fill in placed.fills) == Decimal("0.003")
    assert {(fill.fee_currency, fill.venue_order_id) for fill in placed.fills} == {("BTC", placed.venue_order_id)}
    stored = venue.fills(BTC, placed.venue_order_id)
    assert [fill.trade_id for fill in stored] == [fill.trade_id for fill in placed.fills]


def test_order_is_found_by_client_id_with_its_fills(venue: CcxtVenue) -> None:
    placed = venue.place(order(Action.SELL, "1"))
    found = venue.find(BTC, A)
    assert found is not None
    assert (found.venue_order_id, found.status, found.average) == (placed.venue_order_id, "filled", Decimal("29997"))
    assert [(fill.amount, fill.fee_currency) for fill in found.fills] == [(Decimal(1), "USDT")]
    assert venue.find(BTC, B) is None


def test_stop_and_target_orders_wait_lock_the_coin_and_fire(venue: CcxtVenue, paper: PaperProcess) -> None:
    stop = venue.place(order(Action.SELL, "1", A, OrderType.STOP_LOSS, stop_price="29000"))
    target = venue.place(order(Action.SELL, "0.5", B, OrderType.TAKE_PROFIT, stop_price="31000"))
    assert [(o.status, o.type) for o in (stop, target)] == [("open", "stop_loss"), ("open", "take_profit")]
    assert stop.at.year > 2000
    assert venue.balances()["BTC"] == Balance(Decimal("0.5"), Decimal("1.5"))
    assert [open_.client_id for open_ in venue.open_orders(BTC)] == [A, B]
    paper.price("BTC/USDT", "28990")
    fired = venue.find(BTC, A)
    assert fired is not None
    assert (fired.status, fired.filled) == ("filled", 1)


def test_limit_order_rests_and_is_cancelled_by_client_id(venue: CcxtVenue) -> None:
    assert venue.place(order(Action.BUY, "1", A, OrderType.LIMIT, price="25000")).status == "open"
    gone = venue.cancel(BTC, A)
    assert gone is not None
    assert (gone.status, gone.client_id) == ("canceled", A)
    assert venue.open_orders(BTC) == []


def test_cancelling_what_is_filled_says_so_and_what_is_unknown_is_none(venue: CcxtVenue) -> None:
    venue.place(order(Action.BUY, "1"))
    filled = venue.cancel(BTC, A)
    assert filled is not None
    assert (filled.status, filled.filled) == ("filled", 1)
    assert venue.cancel(BTC, B) is None


def test_partly_filled_limit_order(venue: CcxtVenue) -> None:
    placed = venue.place(order(Action.BUY, "3", A, OrderType.LIMIT, price="30003"))
    assert (placed.status, placed.filled) == ("partially_filled", Decimal("1.9998"))


@pytest.mark.parametrize(
    ("request_", "code", "words"),
    [
        (order(Action.BUY, "9"), "-2010", "insufficient balance"),
        (order(Action.BUY, "0.0001"), "-1013", "NOTIONAL"),
        (order(Action.SELL, "1", A, OrderType.STOP_LOSS, stop_price="31000"), "-2010", "trigger immediately"),
        (order(Action.BUY, "0.000001"), "", "multiple of the step"),
        (order(Action.BUY, "NaN"), "", "multiple of the step"),
        (order(Action.BUY, "-1"), "", "multiple of the step"),
        (order(Action.BUY, "1", A, OrderType.LIMIT, price="30000.001"), "", "multiple of the tick"),
        (order(Action.BUY, "1", A, OrderType.LIMIT), "", "needs a price"),
        (order(Action.BUY, "1", A, price="30000"), "", "must carry no price"),
        (order(Action.SELL, "1", A, OrderType.STOP_LOSS), "", "needs a stop_price"),
    ],
)
def test_a_definite_no_is_rejected_with_its_reason(
    venue: CcxtVenue, request_: OrderRequest, code: str, words: str
) -> None:
    with pytest.raises(VenueRejected, match=words) as caught:
        venue.place(request_)
    assert caught.value.code == code
    assert venue.find(BTC, A) is None


def test_unlisted_pair_is_rejected_without_a_request(venue: CcxtVenue) -> None:
    with pytest.raises(VenueRejected, match="not listed"):
        venue.place(OrderRequest(A, Pair("NOPE", "USDT"), Action.BUY, OrderType.MARKET, Decimal(1)))


def test_duplicate_of_an_open_order_is_unknown_so_that_it_is_queried(venue: CcxtVenue) -> None:
    resting = order(Action.BUY, "1", A, OrderType.LIMIT, price="25000")
    first = venue.place(resting)
    with pytest.raises(VenueUnknown, match="Duplicate"):
        venue.place(resting)
    found = venue.find(BTC, A)
    assert found is not None
    assert found.venue_order_id == first.venue_order_id


def test_wrong_secret_is_rejected_and_not_shown(paper: PaperProcess) -> None:
    key, _ = paper.account({"USDT": "10"})
    venue = connect(VenueInfo("paper", "binance", paper.url), key, "not-the-secret")
    with pytest.raises(VenueRejected, match="Signature") as caught:
        venue.balances()
    assert caught.value.code == "-1022"
    assert "not-the-secret" not in str(caught.value)


def test_clock_that_is_off_is_rejected(venue: CcxtVenue) -> None:
    venue.client.options["timeDifference"] = 20_000
    with pytest.raises(VenueRejected) as caught:
        venue.place(order(Action.BUY, "1"))
    assert caught.value.code == "-1021"


@pytest.mark.parametrize(("seconds_ago", "placed"), [(0, True), (8, True), (11, False)])
def test_an_order_that_leaves_too_late_is_refused_by_the_exchange_itself(
    venue: CcxtVenue, seconds_ago: float, placed: bool
) -> None:
    moment = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    request = replace(order(Action.BUY, "0.5"), submitted_at=moment)
    if placed:
        assert venue.place(request).status == "filled"
        return
    with pytest.raises(VenueRejected) as refused:
        venue.place(request)
    assert (refused.value.code, venue.find(BTC, A)) == ("-1021", None)


def test_key_rights(paper: PaperProcess, venue: CcxtVenue) -> None:
    assert venue.may_withdraw() is False
    assert account(paper, {"USDT": "1"}, withdraw=True).may_withdraw() is True


def test_exchange_that_is_down_is_unavailable(venue: CcxtVenue) -> None:
    venue.market(BTC)
    move(venue, f"http://127.0.0.1:{free_port()}")
    with pytest.raises(VenueUnavailable):
        venue.place(order(Action.BUY, "1"))
    with pytest.raises(VenueUnavailable):
        venue.find(BTC, A)


SERVICE_UNAVAILABLE = b"HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n"
ENGINE_TIMEOUT = b'HTTP/1.1 504 Timeout\r\nContent-Length: 29\r\n\r\n{"code":-1007,"msg":"Timeout"}'
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
HTML = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<ht>"


@pytest.mark.parametrize(
    "answer", [b"", SERVICE_UNAVAILABLE, ENGINE_TIMEOUT, HTML, EMPTY], ids=["cut", "503", "504", "html", "{}"]
)
def test_lost_or_senseless_answer_leaves_an_order_unknown(venue: CcxtVenue, answer: bytes) -> None:
    venue.market(BTC)
    with answering(answer) as url:
        move(venue, url)
        with pytest.raises(VenueUnknown):
            venue.place(order(Action.BUY, "1"))


@pytest.mark.parametrize("status", [b"429 Too Many", b"418 Teapot", b"403 Forbidden"])
def test_rate_limit_is_unavailable_and_names_the_wait(venue: CcxtVenue, status: bytes) -> None:
    venue.market(BTC)
    with answering(b"HTTP/1.1 " + status + b"\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n") as url:
        move(venue, url)
        with pytest.raises(VenueUnavailable, match="retry after 7 s"):
            venue.place(order(Action.BUY, "1"))


def test_slow_answer_leaves_an_order_unknown(venue: CcxtVenue) -> None:
    venue.market(BTC)
    venue.client.timeout = 100
    with answering(None) as url:
        move(venue, url)
        with pytest.raises(VenueUnknown, match="RequestTimeout"):
            venue.place(order(Action.BUY, "1"))


def test_unknown_dialect_and_paper_without_address_are_not_configured() -> None:
    with pytest.raises(NotConfigured, match="dialect"):
        connect(VenueInfo("x", "telex"), "k", "s")
    with pytest.raises(NotConfigured, match="PAPER_EXCHANGE_URL"):
        connect(VenueInfo("paper", "binance"), "k", "s")


def test_warm_up_reads_markets_once(paper: PaperProcess) -> None:
    info = VenueInfo("warm", "binance", paper.url)
    warm_up([info])
    venue = connect(info, "some-key", "some-secret")
    move(venue, f"http://127.0.0.1:{free_port()}")
    assert venue.market(BTC) is not None


def test_operator_opens_an_account_and_sets_prices(paper_settings: PaperProcess) -> None:
    for _ in range(2):
        paper_admin.open_account("opened-key-1", "opened-secret-1", {"USDT": Decimal("12.5")})
    venue = connect(VenueInfo("paper", "binance", paper_settings.url), "opened-key-1", "opened-secret-1")
    assert venue.balances()["USDT"].free == Decimal("12.5")
    paper_admin.deposit("opened-key-1", {"USDT": Decimal(1)})
    assert venue.balances()["USDT"].free == Decimal("13.5")
    paper_admin.set_price("BTC/USDT", Decimal("31000"))
    assert venue.ticker(BTC).last == 31000 == paper_admin.prices()["BTC/USDT"]
    with pytest.raises(VenueRejected, match="another secret"):
        paper_admin.open_account("opened-key-1", "wrong-secret", {})


def test_operator_errors_say_what_to_do(paper_settings: PaperProcess, settings: Any) -> None:
    with pytest.raises(VenueRejected, match="not listed"):
        paper_admin.set_price("NOPE/USDT", Decimal(1))
    with pytest.raises(VenueRejected, match="price: must be a positive number"):
        paper_admin.set_price("BTC/USDT", Decimal(0))
    settings.PAPER_EXCHANGE_TOKEN = None
    with pytest.raises(NotConfigured, match="PAPER_EXCHANGE_TOKEN"):
        paper_admin.prices()


def move(venue: CcxtVenue, url: str) -> None:
    """Let an account that knows its markets talk to another address."""
    api = venue.client.urls["api"]
    venue.client.urls = {"api": {name: f"{url}/{to.split('/', 3)[3]}" for name, to in api.items()}}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class answering:  # noqa: N801
    """A server that reads one request, sends `answer` and hangs up; None: it reads and never answers."""

    def __init__(self, answer: bytes | None) -> None:
        self._answer = answer
        self._server = socket.create_server(("127.0.0.1", 0))
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._server.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._server.close()
        self._thread.join(5)

    def _serve(self) -> None:
        connection, _ = self._server.accept()
        with connection:
            connection.recv(65536)
            if self._answer is None:
                self._done.wait(10)
            else:
                connection.sendall(self._answer)
