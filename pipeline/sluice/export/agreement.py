"""How near an exported model is to the checkpoint that it was made of: scores of the same texts, side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sluice.errors import ModelError

__all__ = ["MAX_ERROR", "MAX_INT8_DRIFT", "MAX_INT8_MEAN_DRIFT", "Agreement", "agreement", "check_agreement"]

MAX_ERROR = 1e-4
"""Largest difference of a score in fp32. Both sides add up the same float32 numbers in another order: measured 1e-6 at
most on every kind; a wrong padding mask, position or label shows at 1e-2 and more."""

MAX_INT8_DRIFT = 0.25
"""Largest difference of a single score that int8 may make: past it a text that was clear is not even in doubt."""

MAX_INT8_MEAN_DRIFT = 0.05
"""Mean difference that int8 may make: past it the thresholds that hold for the checkpoint hold for its copy no more."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the scores of two models differ by."""

    texts: int
    largest: float
    mean: float
    """Over texts and heads."""
    worst: int
    """Number of the text with the largest difference, counted from 0."""


def agreement(expected: NDArray[np.float32], found: NDArray[np.float32]) -> Agreement:
    """Compare scores, both `(texts, heads)` of at least one text."""
    apart = np.abs(expected.astype(np.float64) - found.astype(np.float64))
    apart[~np.isfinite(apart)] = np.inf  # no number is nowhere near one
    return Agreement(
        len(apart), round(float(apart.max()), 7), round(float(apart.mean()), 7), int(apart.max(axis=1).argmax())
    )


def check_agreement(found: Agreement, precision: str) -> None:
    """Refuse a model that is not what its checkpoint was.

    Raises:
        ModelError: says by how much it is off.
    """
    told = f"its scores of {found.texts} sample texts differ from the checkpoint's by up to {found.largest:.4g}"
    if precision == "int8":
        if found.largest > MAX_INT8_DRIFT or found.mean > MAX_INT8_MEAN_DRIFT:
            raise ModelError(
                f"int8 changes the model too much: {told} (sample {found.worst + 1}), by {found.mean:.4g} in the mean; "
                f"allowed are {MAX_INT8_DRIFT} and {MAX_INT8_MEAN_DRIFT}. Export it without --int8"
            )
    elif found.largest > MAX_ERROR:
        raise ModelError(f"the exported model is not the checkpoint's: {told} (sample {found.worst + 1})")
