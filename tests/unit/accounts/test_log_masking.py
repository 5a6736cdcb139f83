"""A canary through every door of the logs: no secret comes out of any."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import time
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from tradebot.logging import MASK, configure, masker, trace

CANARY = "cAnArY7TrillOverCoalMineShaft00"
BINANCE = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
PASSWORD_IN_URL = "postgres://bot:s3cret-pw@db.example:5432/bot"


@pytest.fixture
def lines() -> Iterator[Any]:
    """Every line logged since, as parsed JSON."""
    text = io.StringIO()
    setting = configure(json=True, secrets=[CANARY, PASSWORD_IN_URL])
    setting["handlers"]["stderr"]["stream"] = text
    root = logging.getLogger()
    kept = (root.handlers[:], root.level)
    logging.config.dictConfig(setting)
    yield lambda: [json.loads(line) for line in text.getvalue().splitlines()]
    root.handlers[:], root.level = kept


def _fail() -> None:
    local_secret = CANARY
    raise ValueError(f"refused by the exchange with key {local_secret}")


def test_a_known_secret_is_masked_at_every_door(lines: Any) -> None:
    ours, theirs = structlog.get_logger("tradebot.test"), logging.getLogger("django.test")
    ours.info("message " + CANARY)
    ours.info("keyword", note={"deep": [CANARY]}, **{CANARY: 1})
    theirs.warning("argument %s", CANARY)
    theirs.warning("extra", extra={"note": CANARY})
    for logger in (ours, theirs):
        try:
            _fail()
        except ValueError:
            logger.exception("failed")
    assert len(lines()) == 6
    assert CANARY not in json.dumps(lines())
    assert json.dumps(lines()).count(MASK) >= 7


def test_a_traceback_is_kept_without_local_variables(lines: Any) -> None:
    try:
        _fail()
    except ValueError:
        logging.getLogger("celery.test").exception("failed")
    (line,) = lines()
    assert "refused by the exchange" in line["exception"]
    assert "in _fail" in line["exception"]
    assert CANARY not in line["exception"]


def test_lines_say_which_post_and_stage_they_are_about(lines: Any) -> None:
    with trace(root_id="root-1", stage="clean"):
        logging.getLogger("django.test").warning("inside")
    logging.getLogger("django.test").warning("outside")
    inside, outside = lines()
    assert (inside["root_id"], inside["stage"], inside["level"]) == ("root-1", "clean", "warning")
    assert "root_id" not in outside


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"connect {PASSWORD_IN_URL} failed", "db.example"),
        ("Authorization: Token tb_3kqWmVn8vXc2pLr9sTq5", "Authorization"),
        ("got Bearer abcdef0123456789", "got Bearer"),
        ("bare tb_3kqWmVn8vXc2pLr9sTq5uYh1 here", "here"),
        (f"key {BINANCE} refused", "refused"),
        ('{"api_key": "k-12345", "pair": "BTC/USDT"}', "BTC/USDT"),
        ("POST /order?symbol=BTCUSDT&signature=9f86d081884c7d65", "BTCUSDT"),
        ("X-MBX-APIKEY: abcdef", "X-MBX-APIKEY"),
        ("password='open sesame'", "password"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----", MASK),
        ("bot 123456789:AAF9dQ3m_Zk2p7Yh5Lr8Vn1Xc4Wq6Ts0Uep started", "started"),
    ],
)
def test_secrets_are_known_by_their_form(text: str, kept: str) -> None:
    masked = masker()(text)
    assert MASK in masked
    assert kept in masked
    for secret in ("s3cret-pw", "tb_3kq", "abcdef", BINANCE, "k-12345", "9f86d0", "sesame", "MIIEvQ", "AAF9dQ"):
        assert secret not in masked


@pytest.mark.parametrize(
    "text",
    [
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 stored",
        "signal 0b6f3c1e-7b2c-5c0e-9a52-0f4f3f3c9d11 matched 3 strategies",
        "see https://news.example/a?id=5 for the token sale",
        "5 tokens, 2 secrets",
    ],
)
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert masker()(text) == text


def test_values_are_masked_by_the_name_of_their_key() -> None:
    masked = masker()({"api_key": "a", "user": {"password": "b", "token": None}, "credential_id": "c", "tokens": 4})
    assert masked == {
        "api_key": MASK,
        "user": {"password": MASK, "token": None},
        "credential_id": "c",
        "tokens": 4,
    }


def test_a_long_hostile_text_costs_milliseconds() -> None:
    mask = masker([CANARY])
    for bait in ("a.", "://x:", "_token", "eyJaaaaaaaaa.", "-----BEGIN PRIVATE KEY-----", "A1b"):
        started = time.process_time()
        mask(bait * 200_000)
        assert time.process_time() - started < 1
