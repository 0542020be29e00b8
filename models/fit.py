"""Logistic regression on a sparse matrix, and the calibration of its outputs."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

Floats = NDArray[np.float64]


def logistic(
    rows: sp.csr_matrix, targets: Floats, weights: Floats, strength: float, steps: int
) -> tuple[NDArray[np.float32], float]:
    """Weights `(slots,)` and bias of an L2-regularised logistic regression, by L-BFGS from zero (no randomness).

    `targets` are probabilities. `strength` multiplies the weighted sum of losses (the inverse of the regularisation).
    """
    columns = rows.T.tocsr()
    scale = strength * weights

    def loss(point: Floats) -> tuple[float, Floats]:
        weight = point[:-1].astype(np.float32)
        logit = rows @ weight + point[-1]
        slope = scale * (expit(logit) - targets)
        value = float(scale @ (np.logaddexp(0, logit) - targets * logit)) + 0.5 * float(point[:-1] @ point[:-1])
        gradient = np.append(columns @ slope.astype(np.float32) + point[:-1], slope.sum())
        return value, gradient

    start = np.zeros(rows.shape[1] + 1)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": steps, "maxcor": 8})
    return found.x[:-1].astype(np.float32), float(found.x[-1])


def platt(logits: Floats, labels: NDArray[np.int8], weights: Floats) -> tuple[float, float]:
    """Slope and offset that make `sigmoid(slope * logit + offset)` a probability under these weights."""
    sign = np.where(labels > 0, -1.0, 1.0)
    weights = weights / weights.sum()

    def loss(point: Floats) -> tuple[float, Floats]:
        margin = sign * (point[0] * logits + point[1])
        slope = weights * sign * expit(margin)
        return float(weights @ np.logaddexp(0, margin)), np.array([slope @ logits, slope.sum()])

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(0.05, 20.0), (-20.0, 20.0)])
    return float(found.x[0]), float(found.x[1])
