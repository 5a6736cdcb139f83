"""What the search for the nearest coin costs at 20,000 vectors, and what it misses beside the exact one."""

from __future__ import annotations

import os
import statistics
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.bench.pipeline import _setup_django
from tests.bench.results import Result, at_least, at_most
from tests.stack import running_stack

COINS = 20_000
ASKED = 300
WARM_UP = 20
COUNT = 5
LIMIT_MS, RECALL = 3.0, 0.98
SPREAD = 0.6
"""Length of the noise that sets a made coin apart from the two real ones that it lies between."""
Matrix = NDArray[np.float32]


def run() -> list[Result]:
    """Speed and recall on a stack of its own. Needs BROKER_URL (RabbitMQ)."""
    with running_stack(BROKER_URL=os.environ["BROKER_URL"]) as stack:
        _setup_django(stack.layout)
        return measure()


def measure() -> list[Result]:
    """Fills the coin table, asks, and takes everything back: nothing of it stays."""
    from django.db import transaction

    with transaction.atomic():
        known, asked = _vectors()
        _fill(known)
        found, seconds = _ask(asked)
        transaction.set_rollback(True)
    exact = np.argsort(-(asked @ known.T), axis=1)[:, :COUNT]
    wanted = [{_symbol(place) for place in row} for row in exact]
    recall = sum(len(one & other) for one, other in zip(found, wanted, strict=True)) / (COUNT * len(wanted))
    p50 = statistics.median(seconds) * 1000
    return [
        at_most(f"nearest coin of {COINS:,}, p50", p50, "ms", LIMIT_MS),
        at_least(f"nearest coin of {COINS:,}, recall@{COUNT} against exact", recall, "share", 1.0, RECALL),
    ]


def _vectors() -> tuple[Matrix, Matrix]:
    """Coins and questions of one kind: real descriptions, points between two of them, and noise (fixed seed)."""
    from apps.signals.adapters.embedder import get_embedder
    from apps.signals.domain.coins import catalogue

    real = get_embedder().embed([coin.description for coin in catalogue().coins.values()])
    chance = np.random.default_rng(42)
    made = _between(real, COINS - len(real), chance)
    return np.concatenate([real, made]), _between(real, ASKED, chance)


def _between(real: Matrix, count: int, chance: np.random.Generator) -> Matrix:
    share = chance.uniform(0, 1, (count, 1))
    one, other = (real[chance.integers(0, len(real), count)] for _ in range(2))
    noise = chance.normal(0, SPREAD / np.sqrt(real.shape[1]), (count, real.shape[1]))
    mixed = (share * one + (1 - share) * other + noise).astype(np.float32)
    return np.asarray(mixed / np.linalg.norm(mixed, axis=1, keepdims=True), dtype=np.float32)


def _fill(known: Matrix) -> None:
    from django.db import connection

    from apps.signals.models import Coin

    Coin.objects.all().delete()
    index = next(each for each in Coin._meta.indexes if each.name == "signals_coin_vector")
    with connection.schema_editor(atomic=False) as editor:
        editor.remove_index(Coin, index)  # a whole index is built several times faster than row by row
    rows: list[Any] = [
        Coin(symbol=_symbol(place), name="made", vector=vector, embedder="bench") for place, vector in enumerate(known)
    ]
    Coin.objects.bulk_create(rows, batch_size=2000)
    with connection.cursor() as cursor, connection.schema_editor(atomic=False) as editor:
        cursor.execute("SET LOCAL maintenance_work_mem = '128MB'")
        editor.add_index(Coin, index)
        cursor.execute("ANALYZE signals_coin")


def _ask(asked: Matrix) -> tuple[list[set[str]], list[float]]:
    from apps.signals import selectors

    selectors.nearest(asked[:WARM_UP], COUNT)
    found, seconds = [], []
    for vector in asked:
        start = time.perf_counter()
        near = selectors.nearest(vector[None, :], COUNT)[0]
        seconds.append(time.perf_counter() - start)
        found.append({each.coin for each in near})
    return found, seconds


def _symbol(place: int) -> str:
    return f"MADE{place}"
