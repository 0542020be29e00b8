"""Whole texts moderated by a scorer that breaks its contract: the profile's failure outcome holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from sluice.errors import InputError, UnavailableError
from sluice.evaluation.replay import Cutting, Played, Replay
from sluice.evaluation.rows import Row
from sluice.lexicon import Lexicon, Term
from sluice.moderation.detector import Passage, Skimmer
from sluice.moderation.moderator import Moderator
from sluice.policy import Policy
from support.marks import POLICY, MarkScorer, PlainMarks, mark_detectors


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


class PanicException(BaseException):
    """As it comes out of Rust."""


class Raises(PlainMarks):
    """Judges nothing."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def judge(self, passages: Sequence[Passage]) -> NDArray[np.float32]:
        raise self.error


class RaisesEarly(Raises):
    """Skims nothing."""

    @property
    def skimmer(self) -> Skimmer | None:
        return self

    def skim(
        self, states: Sequence[object | None], pieces: Sequence[str]
    ) -> tuple[NDArray[np.float32], list[object | None]]:
        raise self.error


RAISING = [
    Raises(RuntimeError("broken")),
    RaisesEarly(MemoryError()),
    Raises(PanicException()),
    RaisesEarly(ValueError()),
]


@pytest.mark.parametrize("scorer", [Lists(), Percent(), OneRow(), *RAISING])
def test_what_is_no_array_of_probabilities_counts_as_no_scores(scorer: MarkScorer) -> None:
    policy, lexicon = Policy.parse(POLICY, "test.yaml"), Lexicon([])
    texts = ["坏。", "坏好。"]
    with pytest.raises(UnavailableError, match="no scores") as error:
        Moderator("plain", policy=policy, lexicon=lexicon, scorer=scorer).check_batch(texts)
    assert error.value.__cause__ is getattr(scorer, "error", None)
    found = Moderator("open", policy=policy, lexicon=lexicon, scorer=scorer).check_batch(texts)
    assert [(m.action, m.scores, m.unscanned) for m in found] == [("release", {}, True)] * 2


@pytest.mark.parametrize("kind", [Raises, RaisesEarly])
def test_the_lexicon_is_the_floor_of_a_profile_that_fails_open(kind: type[Raises]) -> None:
    policy = Policy.parse(POLICY, "test.yaml")
    lexicon = Lexicon([Term("赌博网", "A.1.h", 3, "t")])
    moderator = Moderator("open", policy=policy, lexicon=lexicon, scorer=kind(RuntimeError()))
    stopped, passed, empty = moderator.check_batch(["上赌博网。", "好。", ""])
    assert (stopped.action, stopped.unscanned, passed.unscanned, empty.unscanned) == ("stop", True, True, False)
    whole = Moderator("open", policy=policy, lexicon=lexicon, scorer=MarkScorer()).check("好。")
    assert not whole.unscanned


@pytest.mark.parametrize("kind", [Raises, RaisesEarly])
def test_an_interrupt_is_no_failure_of_the_scorer(kind: type[Raises]) -> None:
    policy, scorer = Policy.parse(POLICY, "test.yaml"), kind(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        Moderator("open", policy=policy, lexicon=Lexicon([]), scorer=scorer).check("好。")


@pytest.mark.parametrize("scorer", [Lists(), Percent(), OneRow(), *RAISING])
def test_a_stream_of_an_evaluation_goes_by_the_profile_too(scorer: MarkScorer) -> None:
    detectors = mark_detectors(scorer)
    rows = [Row(line, "好的，坏。上赌博网。", np.array([1], dtype=np.int8)) for line in (7, 8)]

    def play(profile: str) -> list[Played]:
        replay = Replay(detectors, detectors.policy.profile(profile), Cutting())
        return [played for row in rows for played in replay.add(row)] + replay.finish()

    assert [(played.stopped, played.acted_at) for played in play("open")] == [(True, 10)] * 2  # by the lexicon
    for profile in ("plain", "watch"):
        with pytest.raises(UnavailableError, match=r"row [78]: the model gave no scores"):
            play(profile)


@pytest.mark.parametrize("doubt", [np.full(2, np.nan), np.full(3, 0.1), np.full(2, 1.5), np.float64(0.1), [0.1, 0.1]])
def test_a_doubt_that_says_nothing_of_a_head_is_refused(doubt: object) -> None:
    scorer = MarkScorer()
    scorer.doubt = doubt  # type: ignore[assignment]
    with pytest.raises(InputError, match="doubt must be an array of 2 floats from 0 to 1"):
        Moderator("plain", policy=Policy.parse(POLICY, "test.yaml"), lexicon=Lexicon([]), scorer=scorer)
