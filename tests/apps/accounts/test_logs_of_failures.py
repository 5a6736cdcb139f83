"""When something breaks while keys are in hand, neither the answer nor the log holds them."""

from __future__ import annotations

import io
import json
import logging.config
from collections.abc import Iterator

import pytest

from apps.accounts import services
from apps.accounts.domain import envelope
from apps.accounts.models import User
from tests.apps.accounts.conftest import Api
from tradebot.logging import configure

KEY = "mAdEuPkEy1" * 6 + "aB3d"
SECRET = "ObviouslyMadeUpSecret-C3D4"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the product's own logging wrote."""
    text = io.StringIO()
    setting = configure(json=True)
    setting["handlers"]["stderr"]["stream"] = text
    root = logging.getLogger()
    kept = root.handlers[:]
    logging.config.dictConfig(setting)
    yield text
    root.handlers[:] = kept


def test_a_failure_with_keys_in_hand_hides_them(
    alice: User, api: Api, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(plain: str, *_: object) -> None:
        raise RuntimeError(f"can't seal {plain}")

    monkeypatch.setattr(envelope, "seal", broken)
    client = api(alice)
    client.raise_request_exception = False
    body = {"venue": "paper", "api_key": KEY, "secret": SECRET}
    answer = client.post("/api/v1/credentials", body, format="json")
    assert answer.status_code == 500
    assert answer.json() == {"errors": [{"field": "", "reason": "Something broke on our side; it has been logged"}]}
    (line,) = [json.loads(line) for line in log.getvalue().splitlines() if "can't seal" in line]
    assert "in broken" in line["exception"]
    assert KEY not in log.getvalue()
    assert SECRET not in log.getvalue()
    assert services.TOKEN_MARK not in log.getvalue()
