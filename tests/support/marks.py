"""A small world for the core: a lexicon of a few terms, and a scorer that reads its scores off the text."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from sluice.lexicon import Lexicon, Term
from sluice.moderation.detector import Passage, Scorer, Skimmer
from sluice.moderation.detectors import Detectors
from sluice.policy import Policy

__all__ = ["POLICY", "MarkCascade", "MarkHead", "MarkScorer", "PlainMarks", "mark_detectors"]

POLICY = """
version: 1
profiles:
  plain: {extends: default, unit_chars: 16, risks: {"*": {flag: 0.5, stop: 0.8}}}
  lexicon: {extends: plain, detectors: [lexicon]}
  prompt_delta: {extends: plain, release_unit: delta}
  live: {extends: plain, mode: live}
  watch: {extends: plain, mode: monitor}
  third: {extends: plain, strong_every: 3}
  open:
    extends: plain
    on_context_lost: open
    risks:
      {"*": {on_failure: open}, A.1: {on_failure: open}, A.2: {on_failure: open}, A.3: {on_failure: open},
       A.4: {on_failure: open}}
"""


class MarkHead(msgspec.Struct, frozen=True):
    name: str
    risk: str
    attribute: str = ""


class MarkScorer:
    """Scores by marks in the text: `坏` makes head one 0.9, `疑` makes it 0.6. A stand-in for speed; the real model
    has its own tests and runs in the end-to-end ones."""

    version = "marks-1"
    heads: Sequence[MarkHead] = (MarkHead("bad", "A.4.c"), MarkHead("biased", "A.2.e", "gender"))

    doubt: NDArray[np.float32] | None = None

    @property
    def skimmer(self) -> Skimmer | None:
        return self

    def skim(
        self, states: Sequence[object | None], pieces: Sequence[str]
    ) -> tuple[NDArray[np.float32], list[object | None]]:
        """Its state is the text so far."""
        texts = [str(state or "") + piece for state, piece in zip(states, pieces, strict=True)]
        return self.score([Passage(text) for text in texts]), list(texts)

    def score(self, passages: Sequence[Passage]) -> NDArray[np.float32]:
        texts = [passage.text for passage in passages]
        return np.array(
            [[0.9 if "坏" in t else 0.6 if "疑" in t else 0.01, 0.85 if "偏" in t else 0.02] for t in texts],
            dtype=np.float32,
        ).reshape(len(texts), 2)

    def judge(self, passages: Sequence[Passage]) -> NDArray[np.float32]:
        return self.score(passages)


class PlainMarks(MarkScorer):
    """The same without a cheap stage: every unit is judged."""

    @property
    def skimmer(self) -> Skimmer | None:
        return None


class MarkCascade(MarkScorer):
    """A cascade: what the marks say is the strong member's judgement, except where `引` stands in the text or just
    before it. The cheap one is in doubt about every mark and, for nothing, about `慌`; it does not see `暗`, which is
    `坏`."""

    version = "marks-2"
    doubt = np.array([0.3, 0.3], dtype=np.float32)

    def skim(
        self, states: Sequence[object | None], pieces: Sequence[str]
    ) -> tuple[NDArray[np.float32], list[object | None]]:
        texts = [str(state or "") + piece for state, piece in zip(states, pieces, strict=True)]
        cheap = [[0.4 if set(t) & set("坏疑慌") else 0.02, 0.4 if "偏" in t else 0.02] for t in texts]
        return np.array(cheap, dtype=np.float32).reshape(len(texts), 2), list(texts)

    def judge(self, passages: Sequence[Passage]) -> NDArray[np.float32]:
        scores = super().judge([Passage(p.text.replace("暗", "坏")) for p in passages])
        scores[["引" in p.text + p.context for p in passages]] = 0.01
        return scores


def mark_detectors(scorer: Scorer | None = None, policy: Policy | None = None) -> Detectors:
    """Detectors of this small world."""
    lexicon = Lexicon(
        [
            Term("赌博网", "A.1.h", 3, "t"),
            Term("赌", "A.1.h", 1, "t"),
            Term("大麻", "A.1.h", 2, "t", allow=("大麻烦",)),
            Term("sm", "A.1.f", 2, "t", word=True),
        ]
    )
    return Detectors(lexicon, scorer or MarkScorer(), policy or Policy.parse(POLICY, "test.yaml"), hasher=str)
