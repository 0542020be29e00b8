"""Whole texts moderated by a scorer that breaks its contract: the profile's failure outcome holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from sluice.errors import InputError, UnavailableError
from sluice.lexicon import Lexicon
from sluice.moderation.detector import Passage
from sluice.moderation.moderator import Moderator
from sluice.policy import Policy
from support.marks import POLICY, MarkScorer, PlainMarks


class Lists(PlainMarks):
    """Judges by lists."""

    def judge(self, passages: Sequence[Passage]) -> NDArray[np.float32]:
        return super().judge(passages).tolist()  # type: ignore[no-any-return]


class Percent(PlainMarks):
    """Judges by scores up to 100."""

    def judge(self, passages: Sequence[Passage]) -> NDArray[np.float32]:
        return super().judge(passages) * np.float32(100)


class OneRow(MarkScorer):
    """Skims all texts as one."""

    def skim(
        self, states: Sequence[object | None], pieces: Sequence[str]
    ) -> tuple[NDArray[np.float32], list[object | None]]:
        scores, after = super().skim(states, pieces)
        return scores[:1], after


@pytest.mark.parametrize("scorer", [Lists(), Percent(), OneRow()])
def test_what_is_no_array_of_probabilities_counts_as_no_scores(scorer: MarkScorer) -> None:
    policy, lexicon = Policy.parse(POLICY, "test.yaml"), Lexicon([])
    texts = ["坏。", "坏好。"]
    with pytest.raises(UnavailableError, match="no scores"):
        Moderator("plain", policy=policy, lexicon=lexicon, scorer=scorer).check_batch(texts)
    found = Moderator("open", policy=policy, lexicon=lexicon, scorer=scorer).check_batch(texts)
    assert [(m.action, m.scores) for m in found] == [("release", {})] * 2


@pytest.mark.parametrize("doubt", [np.full(2, np.nan), np.full(3, 0.1), np.full(2, 1.5), np.float64(0.1), [0.1, 0.1]])
def test_a_doubt_that_says_nothing_of_a_head_is_refused(doubt: object) -> None:
    scorer = MarkScorer()
    scorer.doubt = doubt  # type: ignore[assignment]
    with pytest.raises(InputError, match="doubt must be an array of 2 floats from 0 to 1"):
        Moderator("plain", policy=Policy.parse(POLICY, "test.yaml"), lexicon=Lexicon([]), scorer=scorer)
