"""The cheap member: a linear model over hashed n-grams that learns the strong member's scores.

It is only to say which sentences are harmless beyond doubt. Where labels are noisy or a text is disguised, what the
strong member says of it is half of the lesson; ordinary text is clean by its source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

import corpus
import fit
from export import Linear
from heads import HEADS

STRENGTH = 10.0
STEPS = 60
TRUST = 0.5
"""Weight of the strong member's score beside a label; where there is no label it is alone."""
POSITIVE_SHARE, POSITIVE_LIMIT = 0.3, 30.0
"""Harm counts for this share of all text in a head's loss, but no text for more than so many others."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What the cheap member learns from, a row per text."""

    texts: Sequence[str]
    labels: NDArray[np.float32]
    """`(texts, heads)`: 0, 1 or in between; -1 where nothing is known."""
    strong: NDArray[np.float32]
    """`(texts, heads)`: the strong member's scores; NaN for a text that it was not asked about."""
    own: NDArray[np.bool_]
    """Whether the text is one of the project's own."""


def distil(lesson: Lesson) -> tuple[Linear, corpus.Vocabulary]:
    """Fit all heads. The result is not calibrated yet: slope 1, offset 0."""
    vocabulary = corpus.choose(lesson.texts, np.where(lesson.own, corpus.RARE_SOURCE_WEIGHT, 1.0))
    rows = corpus.matrix(lesson.texts, vocabulary)
    heads = tuple(HEADS)
    weights = np.zeros((rows.shape[1], len(heads)), dtype=np.float32)
    bias = np.zeros(len(heads), dtype=np.float32)
    for column in track(range(len(heads)), "distilling"):
        label, strong = lesson.labels[:, column], lesson.strong[:, column]
        both = np.where(label < 0, strong, (1 - TRUST) * label + TRUST * strong)
        target = np.where(np.isnan(strong), label, both).astype(np.float64)
        known = target >= 0
        weight = _weights(target[known], lesson.own[known])
        weights[:, column], bias[column] = fit.logistic(rows[known], target[known], weight, STRENGTH, STEPS)
    ones = np.ones(len(heads), dtype=np.float32)
    return Linear(heads, weights, bias, ones, 0 * ones), vocabulary


def _weights(target: NDArray[np.float64], own: NDArray[np.bool_]) -> NDArray[np.float64]:
    """A few own texts are not to drown in the many of the public sets."""
    weights = np.ones(len(target))
    clean = (1 - target).sum()
    for group in (own, ~own):
        harm = target[group].sum()
        more = np.clip(POSITIVE_SHARE * clean / max(harm, 1.0), 1.0, POSITIVE_LIMIT)
        weights[group] += (more - 1) * target[group]
    return weights
