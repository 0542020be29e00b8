"""Somebody who only reads the two logs sees what was released, however fast each of them is read."""

from __future__ import annotations

from collections import defaultdict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.contract import Decision, Frame, Limits, Order, Release
from sluice.delivery import PartitionView, ReleasedText, Sequence, StreamStop
from sluice.delivery.sequence import Piece
from sluice.lexicon import Lexicon, Term
from sluice.moderation.detectors import Detectors
from sluice.policy import Policy
from support.drive import Driver, deltas_of

POLICY = Policy.parse(
    """
version: 1
profiles:
  default: {extends: default, detectors: [lexicon], deadline_ms: 2000}
  live: {extends: default, mode: live}
  open: {extends: default, on_failure: open, risks: {"*": {on_failure: open}, A.4.a: {on_failure: open}}}
""",
    "test.yaml",
)
DETECTORS = Detectors(Lexicon([Term("bad", "A.1.h", 3, "t")]), None, POLICY, hasher=str)


class Account:
    """What a reader was told."""

    def __init__(self) -> None:
        self.text: dict[tuple[str, str], str] = defaultdict(str)
        self.final: set[tuple[str, str]] = set()
        self.stops: dict[str, StreamStop] = {}

    def take(self, view: PartitionView) -> Account:
        while view.events:
            event = view.events.popleft()
            if isinstance(event, ReleasedText):
                key = (event.stream, event.channel)
                assert event.stream not in self.stops, "text after the stop"
                assert key not in self.final, "text after the end"
                assert event.start == len(self.text[key])
                assert event.text or event.final
                self.text[key] += event.text
                if event.final:
                    self.final.add(key)
            else:
                assert event.stream not in self.stops
                self.stops[event.stream] = event
        return self


def decided(frames: list[Frame]) -> list[Decision]:
    """Each frame's decisions, in the order of the log."""
    driver = Driver(DETECTORS)
    for frame in frames:
        driver.send(*frame.deltas, producer=frame.producer)
    return driver.decisions


def read(frames: list[Frame], decisions: list[Decision], turns: list[bool], view: PartitionView) -> Account:
    """Read the logs in turns: True is a frame, False a decision; then what is left of both."""
    account = Account()
    left, right = list(enumerate(frames)), list(decisions)
    for turn in [*turns, *[True] * len(left), *[False] * len(right)]:
        if turn and left:
            offset, frame = left.pop(0)
            view.frame(frame, offset, now=0.0)
        elif not turn and right:
            view.decision(right.pop(0))
        account.take(view)
        assert view.held >= 0
    return account


texts = st.lists(st.sampled_from(["good ", "ba", "d", "b", "fine. ", "", "bad"]), min_size=1, max_size=6)


@st.composite
def logs(draw: st.DrawFn) -> list[Frame]:
    """A few streams and channels, their deltas mixed into frames."""
    queues = [
        deltas_of(f"s{number}", draw(texts), profile=profile, channel=channel)
        for number, profile in enumerate(draw(st.lists(st.sampled_from(["default", "live"]), min_size=1, max_size=3)))
        for channel in draw(st.sampled_from([["answer"], ["answer", "reasoning"]]))
    ]
    frames = []
    while any(queues):
        chosen = draw(st.lists(st.sampled_from([q for q in queues if q]), min_size=1, max_size=4))
        frames.append(Frame(1, "p", [q.pop(0) for q in chosen if q]))
    return frames


@given(logs(), st.lists(st.booleans(), max_size=30), st.booleans())
def test_the_speed_of_either_log_changes_nothing(frames: list[Frame], turns: list[bool], twice: bool) -> None:
    decisions = decided(frames)
    plain = read(frames, decisions, [], PartitionView(POLICY, Limits()))
    if twice:
        decisions = [d for d in decisions for _ in range(2)]
    account = read(frames, decisions, turns, PartitionView(POLICY, Limits()))
    assert set(account.stops) == set(plain.stops) == {d.stream for d in decisions if isinstance(d, Order)}
    profiles = {delta.stream: delta.profile for frame in frames for delta in frame.deltas}
    for key in {*account.text, *plain.text}:
        if profiles[key[0]] != "live":
            assert account.text[key] == plain.text[key]
    assert account.final - {k for k in account.final if k[0] in account.stops} == {
        k for k in plain.final if k[0] not in plain.stops
    }


@given(logs(), st.lists(st.booleans(), max_size=30))
def test_nothing_is_shown_that_was_not_released(frames: list[Frame], turns: list[bool]) -> None:
    decisions = decided(frames)
    marks: dict[tuple[str, str], int] = defaultdict(int)
    for decision in decisions:
        if isinstance(decision, Release):
            for mark in decision.marks:
                marks[mark.stream, mark.channel] = max(mark.offset, marks[mark.stream, mark.channel])
    view = PartitionView(POLICY, Limits())
    account = read(frames, decisions, turns, view)
    for frame in frames:
        for delta in frame.deltas:
            key = (delta.stream, delta.channel)
            if delta.profile != "live":
                assert len(account.text[key]) <= marks[key]
    assert view.held == 0


def test_decisions_alone_show_nothing_and_wait_for_their_frames() -> None:
    frames = [Frame(1, "p", deltas_of("s", ["good ", "text"], profile="default"))]
    view = PartitionView(POLICY, Limits())
    for decision in decided(frames):
        view.decision(decision)
    assert not view.events
    assert len(view.ahead) == 1
    view.frame(frames[0], 0, now=0.0)
    assert Account().take(view).text == {("s", "answer"): "good text"}
    assert not view.ahead
    assert view.open_streams == 0


def test_in_live_mode_a_known_order_hides_what_it_is_about() -> None:
    frames = [Frame(1, "p", [d]) for d in deltas_of("s", ["good ", "bad"], profile="live")]
    decisions = decided(frames)
    early = read(frames, decisions, [False] * len(decisions), PartitionView(POLICY, Limits()))
    assert early.text == {("s", "answer"): "good "}
    assert early.stops["s"].retract_from is None
    late = read(frames, decisions, [True, True], PartitionView(POLICY, Limits()))
    assert late.text == {("s", "answer"): "good bad"}
    assert late.stops["s"].retract_from == 5


def test_all_channels_of_a_stopped_stream_are_silent() -> None:
    answer = deltas_of("s", ["good ", "more"], profile="default")
    thoughts = deltas_of("s", ["bad", "x"], profile="default", channel="reasoning")
    frames = [Frame(1, "p", [answer[0]]), Frame(1, "p", [thoughts[0]]), Frame(1, "p", [answer[1], thoughts[1]])]
    view = PartitionView(POLICY, Limits())
    account = read(frames, decided(frames), [True, False, True, False, False, False], view)
    assert account.text == {("s", "answer"): "good "}
    assert list(account.stops) == ["s"]
    assert view.stats.repeats == 2


def test_a_later_channel_of_a_complete_stream_is_shown() -> None:
    frames = [
        Frame(1, "p", deltas_of("s", ["thought"], profile="default", channel="reasoning")),
        Frame(1, "p", deltas_of("s", ["said"], profile="default")),
    ]
    account = read(frames, decided(frames), [], PartitionView(POLICY, Limits()))
    assert account.text == {("s", "reasoning"): "thought", ("s", "answer"): "said"}
    assert len(account.final) == 2


def test_the_deadline_stops_or_passes() -> None:
    view = PartitionView(POLICY, Limits())
    view.frame(Frame(1, "p", deltas_of("shut", ["abc"], profile="default")), 0, now=0.0)
    view.frame(Frame(1, "p", deltas_of("open", ["abc"], profile="open")), 1, now=0.0)
    view.tick(now=1.9, wall=0.0)
    assert not view.events
    view.tick(now=2.0, wall=5.0)
    account = Account().take(view)
    assert account.stops["shut"].order.reason == "deadline"
    assert account.text == {("open", "answer"): "abc"}
    assert view.stats.unscanned == 3
    assert view.held == 0


def test_a_stream_without_its_beginning_is_not_shown() -> None:
    deltas = deltas_of("s", ["one ", "two"], profile="default")
    view = PartitionView(POLICY, Limits(idle_seconds=10.0), first_offset=7)
    view.frame(Frame(1, "p", [deltas[1]]), 7, now=0.0)
    for decision in decided([Frame(1, "p", deltas)]):
        view.decision(decision)
    assert not view.events
    view.tick(now=10.1, wall=0.0)
    assert (view.stats.partial, view.stats.dropped, view.open_streams) == (1, 1, 0)


def test_too_many_streams_let_go_of_the_quietest() -> None:
    view = PartitionView(POLICY, Limits(open_streams_per_worker=2))
    first = {name: deltas_of(name, ["abc", "def"], profile="default") for name in ("a", "b", "c")}
    view.frame(Frame(1, "p", [first["a"][0], first["b"][0], first["a"][1]]), 0, now=0.0)
    view.frame(Frame(1, "p", [first["c"][0]]), 1, now=1.0)
    assert (view.open_streams, view.stats.dropped, view.held) == (2, 1, 9)
    view.frame(Frame(1, "p", [first["b"][1]]), 2, now=1.0)
    assert view.stats.repeats == 1
    assert view.held == 9


def test_unreadable_frames_and_other_producers_are_passed_over() -> None:
    view = PartitionView(POLICY, Limits(), producers={"p"})
    frames = [Frame(1, "q", deltas_of("other", ["abc"])), Frame(1, "p", deltas_of("mine", ["abc"], profile="default"))]
    decisions = decided(frames)
    view.frame(frames[0], 0, now=0.0)
    view.frame(None, 1, now=0.0)
    view.frame(frames[1], 2, now=0.0)
    for decision in decisions:
        view.decision(decision)
    assert Account().take(view).text == {("mine", "answer"): "abc"}


def test_what_is_remembered_of_ended_streams_is_bounded() -> None:
    view = PartitionView(POLICY, Limits(ended_streams=10))
    for number in range(100):
        frames = [Frame(1, "p", deltas_of(f"s{number}", ["bad" if number % 2 else "ok "], profile="default"))]
        view.frame(frames[0], number, now=0.0)
        for decision in decided(frames):
            view.decision(
                msgspec.structs.replace(decision, frame=msgspec.structs.replace(decision.frame, offset=number))
            )
        view.events.clear()
    assert view.open_streams == 0
    assert len(view._over) == len(view._complete) == 10


def pieces(*given: tuple[int, int, str]) -> list[Piece]:
    return [Piece(seq, start, text, False) for seq, start, text in given]


@pytest.mark.parametrize(
    ("coming", "expected"),
    [
        ([(0, 0, "a"), (1, 1, "b")], "ab"),
        ([(1, 1, "b"), (0, 0, "a"), (2, 2, "c")], "abc"),
        ([(0, 0, "a"), (0, 0, "a"), (1, 1, "b"), (0, 0, "z")], "ab"),
        ([(0, 0, "a"), (2, 2, "c")], "a"),
        ([(0, 0, "a"), (1, 5, "x"), (1, 1, "b")], "ab"),
        ([(0, 1, "a")], ""),
    ],
)
def test_a_sequence_puts_deltas_in_order(coming: list[tuple[int, int, str]], expected: str) -> None:
    sequence = Sequence(Limits())
    assert "".join(p.text for piece in pieces(*coming) for p in sequence.accept(piece)) == expected


@given(st.permutations(range(12)))
def test_any_order_within_the_bound_is_restored(order: list[int]) -> None:
    sequence = Sequence(Limits(gap_deltas=12))
    given_out = [p for seq in order for p in sequence.accept(Piece(seq, seq, "x", False))]
    assert [p.seq for p in given_out] == list(range(12))


def test_a_sequence_keeps_no_more_than_its_bounds() -> None:
    sequence = Sequence(Limits(gap_deltas=3))
    for seq in range(1, 10):
        assert not list(sequence.accept(Piece(seq, seq, "x", False)))
    assert [p.seq for p in sequence.accept(Piece(0, 0, "x", False))] == [0, 1, 2, 3]
