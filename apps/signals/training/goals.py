"""What the shipped weights and the trainer are meant to reach, set by set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from apps.signals.training.evaluation import ENSEMBLE, Evaluation
from apps.signals.training.metrics import Figures

HELD = "own corpus, held"
CHINESE = "own corpus, held, Chinese"
NEWS = "twitter_fin, held fifth"
CRYPTO = "crypto_posts, all (never trained on)"
OWN = (HELD, CHINESE)
TRAINED_NEWS = "twitter_fin, held fifth, trained on the rest"
TRAINED_CRYPTO = "crypto_posts, held fifth, trained on the rest"
TRAINED_CHINESE = "finfe_zh, held fifth, trained on the rest"
TRAINED = {"twitter_fin": TRAINED_NEWS, "crypto_posts": TRAINED_CRYPTO, "finfe_zh": TRAINED_CHINESE}
"""What `manage.py train` reaches on a set's own rows, by the name of its folder (`make trained`)."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound from 0 to 1 on one figure of one set."""

    data: str
    figure: str
    bound: float
    measured: Callable[[Evaluation], float]
    most: bool = False

    def __str__(self) -> str:
        return f"{'≤' if self.most else '≥'} {self.bound * 100:g}"

    def met(self, share: float) -> bool:
        """Whether a measured share is good enough."""
        return share <= self.bound if self.most else share >= self.bound


def _ensemble(evaluation: Evaluation) -> Figures:
    return evaluation.direction[ENSEMBLE]


def _of(figures: Figures | None) -> float:
    return figures.macro_f1 if figures else 0.0


GOALS = (
    Goal(HELD, "direction, macro-F1", 0.90, lambda found: _ensemble(found).macro_f1),
    Goal(HELD, "event, macro-F1", 0.88, lambda found: _of(found.event)),
    Goal(HELD, "coins, micro-F1", 0.95, lambda found: found.coins.micro_f1 if found.coins else 0.0),
    Goal(HELD, "mood, macro-F1", 0.90, lambda found: _of(found.mood)),
    Goal(HELD, "direction, ECE", 0.05, lambda found: _ensemble(found).ece or 0.0, most=True),
    Goal(CHINESE, "direction, macro-F1", 0.88, lambda found: _ensemble(found).macro_f1),
    Goal(NEWS, "direction, macro-F1", 0.80, lambda found: _ensemble(found).macro_f1),
    Goal(NEWS, "direction, accuracy", 0.85, lambda found: _ensemble(found).accuracy),
    Goal(CRYPTO, "direction, macro-F1", 0.52, lambda found: _ensemble(found).macro_f1),
    Goal(TRAINED_NEWS, "direction, macro-F1", 0.84, lambda found: _ensemble(found).macro_f1),
    Goal(TRAINED_NEWS, "direction, accuracy", 0.88, lambda found: _ensemble(found).accuracy),
    Goal(TRAINED_CRYPTO, "direction, macro-F1", 0.66, lambda found: _ensemble(found).macro_f1),
    Goal(TRAINED_CRYPTO, "direction, accuracy", 0.70, lambda found: _ensemble(found).accuracy),
    Goal(TRAINED_CHINESE, "direction, macro-F1", 0.70, lambda found: _ensemble(found).macro_f1),
)
