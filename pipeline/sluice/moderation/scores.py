"""What a scorer returned, checked before anything is decided by it: a scorer that breaks its contract has failed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sluice.errors import InputError, is_failure

__all__ = ["Scores", "are_probabilities", "as_doubt", "as_scores", "as_skimmed", "attempt"]

Scores = NDArray[np.float32]


def attempt(function: Callable[..., object], *args: object) -> object:
    """What a scorer's function returns or, where it fails, what it raised, which is no scores. An interrupt goes on."""
    try:
        return function(*args)
    except BaseException as error:
        if not is_failure(error):
            raise
        return error


def as_scores(found: object, texts: int, heads: int) -> Scores | None:
    """What `Scorer.judge` returned, as an array of our own `(texts, heads)`; None if it is no array of floats of that
    shape. Single rows may still be no probabilities."""
    if not isinstance(found, np.ndarray) or found.shape != (texts, heads) or found.dtype.kind != "f":
        return None
    with np.errstate(over="ignore"):  # a double beyond float32 becomes infinite, which is no probability either
        return np.array(found, dtype=np.float32)


def as_skimmed(found: object, texts: int, heads: int) -> tuple[Scores, list[object | None]] | None:
    """The same for what `Skimmer.skim` returned: the scores, and a list of as many states."""
    if not isinstance(found, tuple) or len(found) != 2:
        return None
    scores, states = as_scores(found[0], texts, heads), found[1]
    if scores is None or not isinstance(states, list) or len(states) != texts:
        return None
    return scores, states


def as_doubt(given: object, heads: int) -> Scores | None:
    """`Skimmer.doubt`, as an array of our own `(heads,)`. No score reaches what is not a number, so nothing would ever
    be in doubt.

    Raises:
        InputError: it is neither None nor an array of that shape, of numbers from 0 to 1.
    """
    if given is None:
        return None
    rows = as_scores(given[np.newaxis], 1, heads) if isinstance(given, np.ndarray) else None
    if rows is None or not are_probabilities(rows[0]):
        raise InputError(f"the skimmer's doubt must be an array of {heads} floats from 0 to 1, one for each head")
    return rows.reshape(heads)


def are_probabilities(row: Scores) -> bool:
    """Whether all scores of one text are from 0 to 1; what is not a number is not."""
    return bool(((row >= 0) & (row <= 1)).all())
