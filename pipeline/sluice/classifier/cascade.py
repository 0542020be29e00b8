"""Two models as one: the cheap one reads every text, the strong one judges what the cheap one does not clear."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sluice.classifier.encoder import EncoderModel
from sluice.classifier.manifest import CascadeManifest, Head
from sluice.classifier.ngrams import NgramModel
from sluice.moderation.detector import Passage

__all__ = ["Cascade"]

Scores = NDArray[np.float32]


class Cascade:
    """A loaded cascade, and its own skimmer. Safe to use from several threads at once; it blocks and does no I/O."""

    def __init__(self, manifest: CascadeManifest, digest: str, cheap: NgramModel, strong: EncoderModel) -> None:
        self.manifest = manifest
        self.heads: tuple[Head, ...] = manifest.heads
        """The columns of a score, in order; the same in both members."""
        self.version = f"{manifest.name}-{digest[:12]}"
        """Name and the first 12 hexadecimal digits of the manifest's SHA-256, which pins both members."""
        self.cheap = cheap
        self.strong = strong
        self.doubt: NDArray[np.float32] = np.array([manifest.doubt[head.name] for head in self.heads], dtype=np.float32)
        """`(heads,)`: where the cheap score of any head reaches this, the strong member is asked."""

    @property
    def skimmer(self) -> Cascade:
        return self

    def skim(self, states: Sequence[object | None], pieces: Sequence[str]) -> tuple[Scores, list[object | None]]:
        """Go on with several texts by the cheap member; see `Skimmer.skim`."""
        return self.cheap.skim(states, pieces)

    def score(self, passages: Sequence[Passage]) -> Scores:
        """Probability of each head for each text, `(texts, heads)`, float32: by the strong member where the cheap one
        is in doubt, else by the cheap one."""
        scores = self.cheap.score(passages)
        doubtful = np.flatnonzero((scores >= self.doubt).any(axis=1)).tolist()
        if doubtful:
            scores[doubtful] = self.strong.score([passages[number] for number in doubtful])
        return scores

    def judge(self, passages: Sequence[Passage]) -> Scores:
        """The same by the strong member alone."""
        return self.strong.score(passages)
