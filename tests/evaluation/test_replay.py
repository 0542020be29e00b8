"""Texts played as streams: what is seen, when, and that nothing depends on the cutting."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sluice.evaluation.replay import Cutting, Played, Replay
from sluice.evaluation.rows import Row
from sluice.evaluation.streams import Streams
from sluice.evaluation.targets import Targets
from sluice.moderation.detector import Passage
from sluice.moderation.detectors import Detectors
from sluice.moderation.moderator import Moderator
from support.marks import MarkCascade, MarkScorer, PlainMarks, mark_detectors

DETECTORS = mark_detectors()
TARGETS = Targets(MarkScorer.heads)
HARMFUL = np.array([1] + [-1] * (len(TARGETS.all) - 1), dtype=np.int8)

TEXTS = st.text(st.sampled_from("好坏疑偏赌博网大麻烦s m。！,"), max_size=60)
CUTTINGS = st.builds(Cutting, st.integers(1, 40), st.booleans(), st.integers(0, 5), st.sampled_from([1.0, 20.0, 500.0]))


def play(
    *rows: Row, profile: str = "plain", cutting: Cutting | None = None, detectors: Detectors = DETECTORS
) -> list[Played]:
    replay = Replay(detectors, detectors.policy.profile(profile), cutting or Cutting())
    over = [played for row in rows for played in replay.add(row)] + replay.finish()
    return sorted(over, key=lambda played: played.row.line)


def row(text: str, line: int = 1, prompt: str = "", span: tuple[int, int] | None = None) -> Row:
    return Row(line, text, HARMFUL, prompt, span)


@given(TEXTS, st.integers(1, 1_000), CUTTINGS)
def test_the_pieces_of_a_text_are_the_text(text: str, line: int, cutting: Cutting) -> None:
    parts = cutting.cut(text, line)
    assert "".join(parts) == text and parts == cutting.cut(text, line)
    assert all(parts) or parts == [""]
    assert max(map(len, parts)) <= (cutting.delta_chars if cutting.even else 2 * cutting.delta_chars - 1)


@settings(deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=5), CUTTINGS)
def test_a_stream_ends_as_the_whole_text_does_and_shows_nothing_of_a_violation(
    texts: list[str], cutting: Cutting
) -> None:
    moderator = Moderator("plain", policy=DETECTORS.policy, lexicon=DETECTORS.lexicon, scorer=MarkScorer())
    played = play(*(row(text, n) for n, text in enumerate(texts)), cutting=cutting)
    assert [one.row.text for one in played] == texts
    for one, whole in zip(played, moderator.check_batch(texts), strict=True):
        assert one.stopped == (whole.action == "stop")
        assert one.stopped or (one.acted_at is not None) == (whole.action == "flag")
        if cutting.characters_per_second == 500:  # a sentence is whole before it has to be shown in parts
            assert one.leaked == 0


def test_what_is_seen_before_a_term_of_the_lexicon() -> None:
    (one,) = play(row("好的，这里有赌博网可以上，" + "后" * 20, span=(6, 9)))
    assert one.stopped and one.acted_at == 10 and one.shown == 0 and one.leaked == 0


def test_a_sentence_is_judged_at_its_end() -> None:
    (one,) = play(row("好的。这个坏人来了。后面的话"))
    assert one.stopped and (one.acted_at, one.shown) == (10, 3)


def test_a_flag_does_not_end_a_stream() -> None:
    (one,) = play(row("这里可疑。" + "好。" * 10))
    assert not one.stopped and one.acted_at == 5


def test_live_mode_leaks_what_was_written_before_the_stop() -> None:
    (by_span,) = play(row("好的，这个坏人。后面", span=(5, 7)), profile="live", cutting=Cutting(delta_chars=4))
    assert (by_span.acted_at, by_span.shown, by_span.leaked) == (8, 8, 2)
    (by_finding,) = play(row("好的，这个坏人。后面"), profile="live", cutting=Cutting(delta_chars=4))
    assert by_finding.leaked == 8  # of the sentence


def test_monitor_mode_says_what_would_have_been() -> None:
    (one,) = play(row("坏。后面坏。"), profile="watch")
    assert one.stopped and one.acted_at == 5 and one.shown == 0


def test_a_prompt_goes_first_and_may_stop_the_stream() -> None:
    harmless, stopped = play(row("好。", 1, prompt="问题。"), row("好。", 2, prompt="上赌博网。"))
    assert not harmless.stopped and harmless.acted_at is None
    assert stopped.stopped and stopped.at_prompt and stopped.acted_at == 0 and stopped.shown == 0


class Relenting(MarkScorer):
    """Scores `坏` high only until `不` shows that it is denied."""

    def score(self, passages: Sequence[Passage]) -> NDArray[np.float32]:
        return super().score([Passage("" if "不" in p.text else p.text) for p in passages])


class RelentingJudge(Relenting, PlainMarks):
    """The same without a cheap stage."""


@pytest.mark.parametrize("scorer", [Relenting(), RelentingJudge()], ids=["skims", "judges"])
@pytest.mark.parametrize(("text", "withdrawn", "stopped"), [("这坏话我不说。", 1, False), ("这坏话我要说。", 0, True)])
def test_what_was_held_back_and_passed_is_withdrawn(
    scorer: MarkScorer, text: str, withdrawn: int, stopped: bool
) -> None:
    detectors = mark_detectors(scorer)
    (one,) = play(row(text), profile="prompt_delta", cutting=Cutting(delta_chars=1), detectors=detectors)
    assert (one.withdrawn, one.stopped) == (withdrawn, stopped)


@pytest.mark.parametrize("scorer", [MarkScorer(), PlainMarks(), MarkCascade()], ids=["skims", "judges", "cascade"])
def test_every_kind_of_scorer_is_played(scorer: MarkScorer) -> None:
    detectors = mark_detectors(scorer)
    bad, quoted, clean = play(
        row("好的。这个坏人。", 1),
        row("引一句。坏人！", 2),
        row("好的。", 3),
        detectors=detectors,
        profile="prompt_delta",
    )
    assert bad.stopped and not clean.stopped and clean.withdrawn == 0
    assert quoted.stopped == (not isinstance(scorer, MarkCascade))  # only the cascade's judge looks at the context


def test_the_prompt_is_the_context_of_an_answer() -> None:
    detectors = mark_detectors(MarkCascade())
    with_prompt, without = play(row("坏人。", 1, prompt="引。"), row("坏人。", 2), detectors=detectors)
    assert not with_prompt.stopped and without.stopped


def test_more_streams_than_go_at_once_all_come_to_their_ends() -> None:
    played = play(*(row("好。" * (n % 7) + ("坏。" if n % 3 == 0 else ""), n) for n in range(200)))
    assert [one.row.line for one in played] == list(range(200))
    assert [one.stopped for one in played] == [n % 3 == 0 for n in range(200)]


def test_streams_are_summed_up() -> None:
    streams = Streams(TARGETS)
    rows = [row("0123456789"), row("01234567", span=(2, 4)), row("0123")]
    streams.add([Played(rows[0], acted_at=5, stopped=True, shown=3, leaked=1)], set())
    streams.add([Played(rows[1], acted_at=8, withdrawn=2), Played(rows[2])], set())
    harmful, clean = streams.report(Cutting(), DETECTORS.policy.profile("plain")).groups
    assert (harmful.streams, harmful.acted, harmful.stopped, harmful.withdrawn, clean.streams) == (3, 2, 1, 1, 0)
    assert harmful.seen_share is not None and (harmful.seen_share.p50, harmful.seen_share.most) == (0.5, 1.0)
    assert harmful.delay is not None and (harmful.delay.p50, harmful.delay.p90, harmful.delay.mean) == (5, 6, 5.5)
    assert (harmful.leaked, harmful.leaked_most) == (1, 1) and clean.delay is None
    assert sum(harmful.seen_bins) == sum(harmful.delay_bins) == 2
