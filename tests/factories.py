"""Obvious synthetic messages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import uuid4

from tradebot.contracts.messages import (
    AnalysisSignal,
    CleanPost,
    CrawlerMessage,
    Evidence,
    OCRResult,
    TradeCommand,
)
from tradebot.contracts.values import Action, AmountType, Direction, Leg

_numbers = count(1)


def now() -> datetime:
    return datetime.now(UTC)


def crawler_message(**changes: Any) -> CrawlerMessage:
    number = next(_numbers)
    fields: dict[str, Any] = {
        "id": f"native-{number}-{uuid4().hex[:6]}",
        "root_id": str(uuid4()),
        "seen_at": now(),
        "source": "twitter",
        "type": "text",
        "data": f"Synthetic post number {number}",
        "timestamp": now(),
        "author": "synthetic_author",
    }
    return CrawlerMessage(**{**fields, **changes})


def clean_post(**changes: Any) -> CleanPost:
    number = next(_numbers)
    fields: dict[str, Any] = {
        "id": str(uuid4()),
        "root_id": str(uuid4()),
        "seen_at": now(),
        "post_id": str(uuid4()),
        "source": "twitter",
        "channel": "",
        "author": "synthetic_author",
        "type": "text",
        "text": f"Synthetic post number {number}",
        "language": "en",
        "timestamp": now(),
    }
    return CleanPost(**{**fields, **changes})


def ocr_result(**changes: Any) -> OCRResult:
    fields: dict[str, Any] = {
        "id": str(uuid4()),
        "root_id": str(uuid4()),
        "seen_at": now(),
        "original_url": "https://pictures.example/1.png",
        "text": "SYNTHETIC",
        "confidence": 0.9,
        "language": "en",
        "post_id": str(uuid4()),
        "source": "twitter",
    }
    return OCRResult(**{**fields, **changes})


def signal(**changes: Any) -> AnalysisSignal:
    fields: dict[str, Any] = {
        "id": str(uuid4()),
        "root_id": str(uuid4()),
        "seen_at": now(),
        "signal_id": str(uuid4()),
        "type": Direction.BULLISH,
        "confidence": 0.9,
        "coins": ["BTC"],
        "evidence": [Evidence(kind="lexicon", quote="up", weight=1.0, model="synthetic")],
        "sources": ["twitter:synthetic_author"],
        "timestamp": now(),
    }
    return AnalysisSignal(**{**fields, **changes})


def command(**changes: Any) -> TradeCommand:
    fields: dict[str, Any] = {
        "id": str(uuid4()),
        "root_id": str(uuid4()),
        "seen_at": now(),
        "user_id": str(uuid4()),
        "action": Action.BUY,
        "pair": "BTC/USDT",
        "amount_type": AmountType.PERCENTAGE,
        "amount": Decimal(10),
        "signal_id": str(uuid4()),
        "strategy_id": str(uuid4()),
        "credential_id": str(uuid4()),
        "leg": Leg.ENTRY,
        "expires_at": now() + timedelta(minutes=5),
        "exchange": "paper",
    }
    return TradeCommand(**{**fields, **changes})
