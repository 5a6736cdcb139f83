"""Linear models on n-grams and on vectors, with temperatures found by cross-validation (scikit-learn)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from apps.signals.adapters.hashing import counts
from apps.signals.domain.calibration import temperature

BITS = 20
FOLDS = 5
SEED = 42
SVM_STRENGTH = 0.7
LR_STRENGTH = 10.0
CLASSES = (-1, 0, 1)
Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Linear:
    """Scores = features x weights + bias, one column a class."""

    weights: Floats
    bias: Floats

    def scores(self, features: csr_matrix | Floats) -> Floats:
        """Shape (rows, classes)."""
        return np.asarray(features @ self.weights) + self.bias

    def cooled(self, by: float) -> Linear:
        """The same model with its scores divided by `by`."""
        return Linear(self.weights / by, self.bias / by)


Fit = Callable[[csr_matrix | Floats, Labels], Linear]


def counted(texts: Sequence[str]) -> csr_matrix:
    """log(1 + count) of every text's n-grams: sparse, (texts, 2**BITS)."""
    found = [counts(text, BITS) for text in texts]
    ends = np.concatenate([[0], np.cumsum([len(rows) for rows, _ in found])])
    data = np.log1p(np.concatenate([often for _, often in found]))
    return csr_matrix((data, np.concatenate([rows for rows, _ in found]), ends), shape=(len(texts), 2**BITS))


def rarity(counted_rows: csr_matrix) -> Floats:
    """Smoothed inverse document frequency of every n-gram; 0 for those of a single text."""
    seen = np.bincount(counted_rows.indices, minlength=2**BITS)
    found: Floats = np.log((1 + counted_rows.shape[0]) / (1 + seen)) + 1
    found[seen < 2] = 0
    return found


def weighed(counted_rows: csr_matrix, rare: Floats) -> csr_matrix:
    """Rows times rarity, of length 1."""
    found = counted_rows.copy()
    found.data = found.data * rare[found.indices]
    lengths = np.sqrt(np.asarray(found.multiply(found).sum(axis=1)).ravel())
    found.data /= np.repeat(np.maximum(lengths, 1e-9), np.diff(found.indptr))
    return found


def svm(features: csr_matrix | Floats, labels: Labels, strength: float = SVM_STRENGTH) -> Linear:
    """One linear support vector machine a class against the rest, balanced."""
    model = LinearSVC(C=strength, class_weight="balanced", tol=1e-2, random_state=SEED).fit(features, labels)
    return _linear(model.coef_, model.intercept_)


def logistic(features: csr_matrix | Floats, labels: Labels, strength: float = LR_STRENGTH) -> Linear:
    """Multinomial logistic regression, balanced."""
    model = LogisticRegression(C=strength, max_iter=300, class_weight="balanced", random_state=SEED)
    model.fit(features, labels)
    return _linear(model.coef_, model.intercept_)


def _linear(coefficients: Floats, intercept: Floats) -> Linear:
    """Two classes come as one row; it is written out for both."""
    if len(coefficients) == 1:
        coefficients, intercept = np.vstack([-coefficients, coefficients]), np.array([-intercept[0], intercept[0]])
    return Linear(coefficients.T, intercept)


def unseen_scores(fit: Fit, features: csr_matrix | Floats, labels: Labels) -> Floats:
    """Scores of every row by a model that was fitted without its fold."""
    fold = np.random.default_rng(SEED).integers(0, FOLDS, len(labels))
    found = np.zeros((len(labels), len(np.unique(labels))))
    for number in range(FOLDS):
        away = fold == number
        found[away] = fit(features[~away], labels[~away]).scores(features[away])
    return found


def fitted(fit: Fit, features: csr_matrix | Floats, labels: Labels) -> tuple[Linear, float, Floats]:
    """The model of all rows, cooled by the temperature of its unseen scores, that temperature, and these scores cooled
    by it."""
    scores = unseen_scores(fit, features, labels)
    by = temperature(scores.tolist(), np.searchsorted(np.unique(labels), labels).tolist())
    return fit(features, labels).cooled(by), by, scores / by
