"""The training texts as a sparse matrix: hash them, choose which n-gram owns each slot, weigh and normalise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from sluice.classifier.features import lookup, ngram_hashes

LOW, HIGH = 1, 4
SLOTS = 1 << 17
MIN_TEXTS = 3  # n-grams of fewer texts are names and typing errors
RARE_SOURCE_WEIGHT = 2.0  # the own texts are few: two of them are enough to make an n-gram known
EPSILON = 300.0
"""Added to the squared norm, about what four rare n-grams bring: a text of two words is no strong evidence."""

_BATCH = 4096


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Who owns each slot, and what an occurrence adds to the squared norm."""

    owners: NDArray[np.uint32]
    """`(SLOTS,)`: hash of the n-gram that owns the slot, 0 for none."""
    norms: NDArray[np.int8]
    """`(SLOTS,)`: squared inverse document frequency in steps of `step`, 0 for a slot without owner."""
    step: float

    @property
    def idf(self) -> NDArray[np.float32]:
        """Inverse document frequency as the exported model sees it, after rounding."""
        square = self.norms.astype(np.float32) * np.float32(self.step)
        return np.sqrt(square).astype(np.float32)


def choose(texts: Sequence[str], counts: NDArray[np.float64]) -> Vocabulary:
    """The vocabulary of these texts. `counts` says how many texts each one counts for in choosing.

    Of the n-grams that fall into one slot, the one in most texts owns it.
    """
    pairs = []  # one row per text and distinct n-gram: text number above, hash below
    for start in range(0, len(texts), _BATCH):
        hashes, within, lengths = ngram_hashes(texts[start : start + _BATCH], LOW, HIGH)
        numbers = np.repeat(np.arange(len(lengths), dtype=np.uint64) + np.uint64(start), lengths)
        pairs.append(np.unique(((numbers << np.uint64(32))[:, None] | hashes)[within]))
    pair = np.concatenate(pairs)
    distinct, index = np.unique((pair & np.uint64(0xFFFFFFFF)).astype(np.uint32), return_inverse=True)
    frequency = np.bincount(index)
    weight = np.bincount(index, weights=counts[(pair >> np.uint64(32)).astype(np.int64)])
    kept = np.flatnonzero((weight >= MIN_TEXTS) & (distinct != 0))
    kept = kept[np.argsort(weight[kept], kind="stable")]  # later ones overwrite: the most frequent stays
    owners = np.zeros(SLOTS, dtype=np.uint32)
    texts_of = np.zeros(SLOTS, dtype=np.int64)
    slots = distinct[kept] & np.uint32(SLOTS - 1)
    owners[slots] = distinct[kept]
    texts_of[slots] = frequency[kept]
    square = (np.log((1 + len(texts)) / (1 + texts_of)) + 1) ** 2
    square[owners == 0] = 0
    step = float(np.float32(square.max() / 127))
    norms = np.clip(np.round(square / step), 1, 127)
    norms[owners == 0] = 0
    return Vocabulary(owners, norms.astype(np.int8), step)


def matrix(texts: Sequence[str], vocabulary: Vocabulary) -> sp.csr_matrix:
    """Rows of unit scale, `(texts, SLOTS)` float32: what a weight is multiplied with in the exported model."""
    idf = vocabulary.idf
    blocks = []
    for start in range(0, len(texts), _BATCH):
        found = lookup(texts[start : start + _BATCH], vocabulary.owners, LOW, HIGH)
        rows = np.repeat(np.arange(len(found.counts)), found.counts)
        square = np.bincount(rows, weights=idf[found.slots] ** 2, minlength=len(found.counts))
        values = idf[found.slots] / np.sqrt(square + EPSILON)[rows].astype(np.float32)
        block = sp.csr_matrix((values, (rows, found.slots)), shape=(len(found.counts), SLOTS), dtype=np.float32)
        block.sum_duplicates()
        blocks.append(block)
    return sp.vstack(blocks, format="csr")
