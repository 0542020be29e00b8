"""Hashed character n-grams: the only features of the shipped model.

An n-gram's hash names a slot of a table. Each slot belongs to one n-gram at most (the one chosen in training, whose
full hash the vocabulary keeps), and an n-gram that owns no slot is no feature. So a rare n-gram does not borrow the
weight of a common one, and most n-grams of a text fall away before the model is asked.

Every feature counts for itself, wherever it stands: the features of `a + b` are those of `a`, those of `b` and the few
that span the cut, so that sums over features can be kept up to date while a text grows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sluice.text.fold import fold_text

__all__ = ["HASH_NAME", "MAX_ORDER", "Features", "lookup", "ngram_hashes"]

HASH_NAME = "mix32-1"
"""Changes whenever `ngram_hashes` gives another hash for any n-gram; models pin it."""

MAX_ORDER = 8
"""Longest n-gram that a manifest may ask for: the work per character grows with it."""

_MULTIPLY = np.uint32(0x9E3779B1)
_MIX_1 = np.uint32(0x85EBCA6B)
_MIX_2 = np.uint32(0xC2B2AE35)
_SHIFT_1 = np.uint32(15)
_SHIFT_2 = np.uint32(13)

Hashes = NDArray[np.uint32]


class Features:
    """The features of a batch of texts, text after text.

    `slots` is `(total,)` int32, `counts` `(texts,)` int64: how many of the slots belong to each text, in order.
    """

    __slots__ = ("counts", "slots")

    def __init__(self, slots: NDArray[np.int32], counts: NDArray[np.int64]) -> None:
        self.slots = slots
        self.counts = counts


def ngram_hashes(
    texts: Sequence[str], low: int, high: int, tails: Sequence[str] | None = None
) -> tuple[Hashes, NDArray[np.bool_], NDArray[np.int64]]:
    """Hashes of the n-grams of every folded text, for `low` to `high` characters.

    Args:
        texts: whole ones, or what has been added to each.
        low: characters of the shortest n-gram.
        high: characters of the longest one.
        tails: what stood before each of the texts, folded. Only n-grams that end in the text itself count.

    Returns the hashes `(characters, orders)`: row i holds the n-grams that begin at character i of all the folded
    texts put together, each after its tail; a mask of the same shape, False where an n-gram would run over its text's
    end or ends in the tail; and the folded length of each text with its tail `(texts,)`.
    """
    folded = [fold_text(text) for text in texts]
    if tails is not None:
        folded = [tail + text for tail, text in zip(tails, folded, strict=True)]
    lengths = np.fromiter(map(len, folded), dtype=np.int64, count=len(folded))
    codes = np.frombuffer("".join(folded).encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint32)
    total = codes.size
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(total)
    hashes = np.zeros((total, high - low + 1), dtype=np.uint32)
    running = np.zeros(total, dtype=np.uint32)
    for order in range(1, high + 1):
        # Each order goes on from the one before it: one multiplication per n-gram, whatever its length.
        running[: max(total - order + 1, 0)] ^= codes[order - 1 :]
        running *= _MULTIPLY
        running += np.uint32(order)
        if order >= low:
            hashes[:, order - low] = running
    hashes ^= hashes >> _SHIFT_1
    hashes *= _MIX_1
    hashes ^= hashes >> _SHIFT_2
    hashes *= _MIX_2
    hashes ^= hashes >> _SHIFT_1
    orders = np.arange(low, high + 1)
    within = left[:, None] >= orders
    if tails is not None:
        # An n-gram ends `left - order` characters before the end, and in the text itself if that is less than it has.
        own = lengths - np.fromiter(map(len, tails), dtype=np.int64, count=len(tails))
        within &= left[:, None] - orders < np.repeat(own, lengths)[:, None]
    return hashes, within, lengths


def lookup(
    texts: Sequence[str], vocabulary: Hashes, low: int, high: int, tails: Sequence[str] | None = None
) -> Features:
    """The features of texts: slots of the vocabulary that one of their n-grams owns, repeated as often as it stands.

    `vocabulary` is `(slots,)`, a power of two: the hash that owns each slot, or 0. `tails` as for `ngram_hashes`.
    """
    hashes, within, lengths = ngram_hashes(texts, low, high, tails)
    slots = (hashes & np.uint32(vocabulary.size - 1)).astype(np.int32)
    owned = (vocabulary[slots] == hashes) & within
    ends = np.cumsum(lengths)
    known = np.concatenate(([0], np.cumsum(np.count_nonzero(owned, axis=1))))
    return Features(slots[owned], known[ends] - known[ends - lengths])
