"""Measures of a detector that separates harmful texts from clean ones. What cannot be told is NaN."""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["Confusion", "Labels", "auroc", "average_precision", "macro_f1", "rank_auroc", "wilson"]

Labels = NDArray[np.integer]
"""1 harmful, 0 clean."""

Numbers = NDArray[np.int64]

_Z95 = 1.959964  # of the normal distribution: 95 % lie within


class Confusion(msgspec.Struct):
    """What became of harmful and clean texts at one threshold."""

    found: int = 0
    """Harmful, and found."""
    missed: int = 0
    """Harmful, and not found."""
    alarms: int = 0
    """Clean, and taken for harmful."""
    passed: int = 0
    """Clean, and not found."""

    def add(self, found: NDArray[np.bool_], labels: Labels) -> None:
        """Count texts, both of shape `(texts,)`."""
        harmful = labels == 1
        hits, alarms = int((found & harmful).sum()), int((found & ~harmful).sum())
        total = int(harmful.sum())
        self.found += hits
        self.missed += total - hits
        self.alarms += alarms
        self.passed += len(labels) - total - alarms

    @property
    def harmful(self) -> int:
        return self.found + self.missed

    @property
    def clean(self) -> int:
        return self.alarms + self.passed

    @property
    def precision(self) -> float:
        """Share of what was found that is harmful."""
        return _share(self.found, self.found + self.alarms)

    @property
    def recall(self) -> float:
        """Share of the harmful that was found."""
        return _share(self.found, self.harmful)

    @property
    def fpr(self) -> float:
        """False positive rate: share of the clean that was taken for harmful."""
        return _share(self.alarms, self.clean)

    @property
    def accuracy(self) -> float:
        return _share(self.found + self.passed, self.harmful + self.clean)

    @property
    def f1(self) -> float:
        return _f1(self.found, self.missed + self.alarms)

    @property
    def macro_f1(self) -> float:
        """Mean of the F1 of both classes; of a class that is neither there nor found it is 0."""
        both = (self.f1, _f1(self.passed, self.missed + self.alarms))
        return sum(0.0 if math.isnan(one) else one for one in both) / 2


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _f1(right: int, wrong: int) -> float:
    return _share(2 * right, 2 * right + wrong)


def macro_f1(found: Labels, labels: Labels) -> float:
    """Mean of both classes' F1, from what was found and what is so, both of shape `(texts,)`."""
    confusion = Confusion()
    confusion.add(found == 1, labels)
    return confusion.macro_f1


def auroc(scores: NDArray[np.floating], labels: Labels) -> float:
    """Chance that a harmful text scores above a clean one; ties count half. Both of shape `(texts,)`."""
    values, place = np.unique(scores, return_inverse=True)
    clean, harmful = (np.bincount(place[labels == label], minlength=len(values)) for label in (0, 1))
    return rank_auroc(clean, harmful)


def rank_auroc(clean: Numbers, harmful: Numbers) -> float:
    """The same from the numbers of clean and harmful texts at each score, lowest score first."""
    below = np.cumsum(clean) - clean
    pairs = int(clean.sum()) * int(harmful.sum())
    return float((harmful * (below + clean / 2)).sum() / pairs) if pairs else math.nan


def average_precision(clean: Numbers, harmful: Numbers) -> float:
    """Mean of the precision at each harmful text, from the numbers at each score, lowest score first."""
    found = np.cumsum(harmful[::-1])
    named = found + np.cumsum(clean[::-1])
    here = harmful[::-1]
    total = int(harmful.sum())
    return float((here * found / np.maximum(named, 1)).sum() / total) if total else math.nan


def wilson(hits: int, of: int) -> tuple[float, float]:
    """Bounds within which a share lies with 95 % confidence (Wilson's score interval)."""
    if not of:
        return math.nan, math.nan
    share, square = hits / of, _Z95**2
    middle = share + square / (2 * of)
    half = _Z95 * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    # At both ends the formula gives the end itself, but for rounding.
    low = 0.0 if hits == 0 else (middle - half) / (1 + square / of)
    high = 1.0 if hits == of else (middle + half) / (1 + square / of)
    return low, high
