"""Scores of any number of texts in bounded memory: how many had which, and how far they are probabilities."""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from sluice.evaluation.measures import Labels, average_precision, rank_auroc

__all__ = ["Bin", "Point", "Reliability", "ScoreCounts"]

_REACH = 17.0
"""Logits at which the scale ends; beyond it float32 has no number below 1."""
_STEPS = 8_192
"""Steps of the scale: 0.004 logits each, so that texts in one step, taken as ties, hardly change any measure."""

_CURVE_STEP = 0.004
"""A curve's points are at least so far apart, along one axis: at most 500 of them, and none that the eye would miss."""

_BINS = 10

Scores = NDArray[np.float64]


class Point(msgspec.Struct, frozen=True, array_like=True):
    """A point of a curve."""

    x: float
    y: float


class ScoreCounts:
    """How many clean and harmful texts had each score, on a scale that is fine at both ends."""

    def __init__(self) -> None:
        self.clean = np.zeros(_STEPS, dtype=np.int64)
        """Shape `(steps,)`, lowest score first."""
        self.harmful = np.zeros(_STEPS, dtype=np.int64)

    def add(self, scores: Scores, labels: Labels) -> None:
        """Count texts, both of shape `(texts,)`; scores are from 0 to 1."""
        with np.errstate(divide="ignore"):
            logits = np.log(scores) - np.log1p(-scores)
        steps = ((logits.clip(-_REACH, _REACH) + _REACH) / (2 * _REACH) * (_STEPS - 1)).astype(np.int64)
        for label, counts in enumerate((self.clean, self.harmful)):
            np.add.at(counts, steps[labels == label], 1)

    @property
    def auroc(self) -> float:
        """Chance that a harmful text scores above a clean one."""
        return rank_auroc(self.clean, self.harmful)

    @property
    def average_precision(self) -> float:
        return average_precision(self.clean, self.harmful)

    def roc(self) -> list[Point]:
        """Share of the clean, and of the harmful, that reach a threshold, for falling thresholds. Empty where one of
        both is missing."""
        alarms, found = self._reached()
        if not alarms[-1] or not found[-1]:
            return []
        x, y = (np.concatenate(([0.0], n / n[-1])) for n in (alarms, found))
        return _thinned(x, y)

    def precision_recall(self) -> list[Point]:
        """Recall and precision for falling thresholds; empty where nothing is harmful."""
        alarms, found = self._reached()
        if not found[-1]:
            return []
        some = found > 0
        return _thinned(found[some] / found[-1], found[some] / (found + alarms)[some])

    def _reached(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        used = (self.clean + self.harmful)[::-1] > 0
        if not used.any():
            return np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
        return np.cumsum(self.clean[::-1][used]), np.cumsum(self.harmful[::-1][used])


def _thinned(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[Point]:
    kept: list[Point] = []
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        if not kept or max(abs(a - kept[-1].x), abs(b - kept[-1].y)) >= _CURVE_STEP:
            kept.append(Point(round(a, 6), round(b, 6)))
    end = Point(round(float(x[-1]), 6), round(float(y[-1]), 6))
    return kept if kept[-1] == end else [*kept, end]


class Bin(msgspec.Struct, frozen=True):
    """Texts whose scores lie in one stretch."""

    low: float
    high: float
    texts: int
    score: float | None
    """Mean score; None where there is no text."""
    harmful: float | None
    """Share of them that is harmful. Where scores are probabilities, it is about the mean score."""


class Reliability:
    """Whether scores are probabilities: of the texts that score about 0.7, about 0.7 are harmful."""

    def __init__(self) -> None:
        self._texts = np.zeros(_BINS, dtype=np.int64)
        self._scores = np.zeros(_BINS)
        self._harmful = np.zeros(_BINS, dtype=np.int64)
        self._squares = 0.0

    def add(self, scores: Scores, labels: Labels) -> None:
        """Count texts, both of shape `(texts,)`; scores are from 0 to 1."""
        places = (scores * _BINS).astype(np.int64).clip(0, _BINS - 1)
        self._texts += np.bincount(places, minlength=_BINS)
        np.add.at(self._scores, places, scores)
        self._harmful += np.bincount(places[labels == 1], minlength=_BINS)
        self._squares += float(((scores - labels) ** 2).sum())

    @property
    def error(self) -> float:
        """Expected calibration error: how far the share of harmful texts is from the mean score of a bin, on average
        over the texts."""
        total = int(self._texts.sum())
        return float(np.abs(self._scores - self._harmful).sum()) / total if total else math.nan

    @property
    def brier(self) -> float:
        """Mean squared difference between score and label."""
        total = int(self._texts.sum())
        return self._squares / total if total else math.nan

    def bins(self) -> list[Bin]:
        """All bins, lowest first."""
        table = zip(self._texts.tolist(), self._scores.tolist(), self._harmful.tolist(), strict=True)
        return [
            Bin(
                place / _BINS,
                (place + 1) / _BINS,
                texts,
                round(score / texts, 6) if texts else None,
                round(harmful / texts, 6) if texts else None,
            )
            for place, (texts, score, harmful) in enumerate(table)
        ]
