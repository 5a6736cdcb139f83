"""The coin table and the search for the nearest coin."""

from __future__ import annotations

import numpy as np
import pytest
from django.db import connection

from apps.signals import selectors, services
from apps.signals.adapters.embedder import get_embedder
from apps.signals.domain.coins import catalogue
from apps.signals.models import Coin

pytestmark = pytest.mark.django_db


def test_the_table_follows_the_catalogue(coins: int) -> None:
    assert coins == Coin.objects.count() == len(catalogue().coins)
    Coin.objects.filter(symbol="BTC").update(description="something else")
    Coin.objects.filter(symbol="ETH").delete()
    Coin.objects.create(symbol="OLD", name="Old", vector=np.ones(384), embedder="old")
    assert services.sync_coins(embedder=get_embedder()) == coins
    assert Coin.objects.get(symbol="BTC").description == catalogue().coins["BTC"].description
    assert set(Coin.objects.values_list("symbol", flat=True)) == set(catalogue().coins)


@pytest.mark.usefixtures("coins")
def test_nearest_agrees_with_exact_cosine() -> None:
    texts = ["the halving of mining rewards", "Vitalik speaks about staking", "a dog meme coin that Elon Musk loves"]
    vectors = get_embedder().embed(texts)
    with connection.cursor() as cursor:
        # Rows of earlier tests were rolled back, and lie in the index until a vacuum: the search would look at those.
        cursor.execute("REINDEX INDEX signals_coin_vector")
    rows = list(Coin.objects.all())
    exact = vectors @ np.stack([np.asarray(row.vector, dtype=np.float32) for row in rows]).T
    for place, found in enumerate(selectors.nearest(vectors)):
        best = np.argsort(-exact[place])[:3]
        assert [near.coin for near in found] == [rows[at].symbol for at in best]
        assert found[0].similarity == pytest.approx(float(exact[place].max()), abs=1e-3)


@pytest.mark.usefixtures("coins")
def test_meaning_finds_the_coin() -> None:
    vectors = get_embedder().embed(["Elon Musk posts a picture of his dog coin", "miners earn half as much: halving"])
    assert [found[0].coin for found in selectors.nearest(vectors)] == ["DOGE", "BTC"]


def test_nothing_asked_nothing_found(db: None) -> None:
    assert selectors.nearest([]) == []
