"""Whether a confidence means what it says: reliability, expected calibration error, temperature."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

BINS = 10
_COLDEST, _HOTTEST = 0.05, 20.0
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, slots=True)
class Bin:
    """The answers whose confidence lies in `low`..`high`: how many, how sure on average, what share was right."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


def reliability(confidences: Sequence[float], right: Sequence[bool], bins: int = BINS) -> list[Bin]:
    """The bins of equal width that hold answers, from the least sure on. Raises ValueError unless as many of both."""
    inside: list[list[int]] = [[] for _ in range(bins)]
    for at, (confidence, _) in enumerate(zip(confidences, right, strict=True)):
        inside[min(int(confidence * bins), bins - 1)].append(at)
    return [
        Bin(
            low=number / bins,
            high=(number + 1) / bins,
            count=len(members),
            confidence=math.fsum(confidences[at] for at in members) / len(members),
            accuracy=sum(right[at] for at in members) / len(members),
        )
        for number, members in enumerate(inside)
        if members
    ]


def ece(confidences: Sequence[float], right: Sequence[bool], bins: int = BINS) -> float:
    """Expected calibration error, 0..1: how far confidence and accuracy lie apart, averaged over answers.

    Guo et al., On Calibration of Modern Neural Networks (2017), equation 3.
    """
    found = reliability(confidences, right, bins)
    total = sum(each.count for each in found)
    return math.fsum(each.count * abs(each.accuracy - each.confidence) for each in found) / total if total else 0.0


def softmax(logits: Sequence[float], temperature: float = 1.0) -> list[float]:
    """Probabilities of logits that were divided by `temperature`."""
    top = max(logits)
    powers = [math.exp((each - top) / temperature) for each in logits]
    total = math.fsum(powers)
    return [each / total for each in powers]


def surprise(logits: Sequence[Sequence[float]], labels: Sequence[int], temperature: float = 1.0) -> float:
    """Mean negative log-likelihood, in nats, of the right classes."""
    chances = (softmax(row, temperature)[label] for row, label in zip(logits, labels, strict=True))
    return -math.fsum(math.log(max(each, 1e-12)) for each in chances) / len(labels)


def temperature(logits: Sequence[Sequence[float]], labels: Sequence[int], steps: int = 30) -> float:
    """What logits must be divided by to surprise least, by golden-section search over its logarithm (the surprise has
    one minimum in it).

    The logits must be of rows that their model was not fitted on. Guo et al. (2017), section 4.2.
    """
    low, high = math.log(_COLDEST), math.log(_HOTTEST)
    for _ in range(steps):
        near, far = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if surprise(logits, labels, math.exp(near)) <= surprise(logits, labels, math.exp(far)):
            high = far
        else:
            low = near
    return math.exp((low + high) / 2)
