"""What a shard does with each kind of delta, good and bad."""

from __future__ import annotations

import pytest

from sluice.contract import Delta, Frame, Limits, Order, Release
from sluice.moderation.detectors import Detectors
from support.drive import Driver, deltas_of


def test_clean_text_is_released_to_its_end(detectors: Detectors) -> None:
    d = Driver(detectors)
    for delta in deltas_of("s", ["今天", "天气很好。", "明天", "也好"]):
        d.send(delta)
    assert not d.orders() and not d.flags()
    assert d.watermark("s") == 11
    assert not d.shard.streams


def test_a_sentence_is_released_only_when_it_is_whole(detectors: Detectors) -> None:
    d = Driver(detectors)
    first, second, third = deltas_of("s", ["今天", "天气好。明", "天"], final=False)
    d.send(first)
    assert d.watermark("s") == 0
    d.send(second)
    assert d.watermark("s") == 6
    d.send(third)
    assert d.watermark("s") == 6


def test_with_the_lexicon_alone_text_is_released_at_once_but_for_an_open_term(detectors: Detectors) -> None:
    d = Driver(detectors)
    d.send(*deltas_of("s", ["今天赌博"], profile="lexicon", final=False))
    assert d.watermark("s") == 2


def test_a_split_term_stops_before_any_of_it_is_released(detectors: Detectors) -> None:
    d = Driver(detectors)
    for delta in deltas_of("s", ["好。上赌", "博", "网吧"], profile="lexicon"):
        d.send(delta)
    orders = d.orders()
    assert [o.order for o in orders] == ["stop_generation", "stop_transmission"]
    finding = orders[0].finding
    assert finding is not None and (finding.start, finding.end, finding.risk) == (3, 6, "A.1.h")
    assert d.watermark("s") == 3 and orders[0].shown == 0


def test_the_lexicon_order_does_not_wait_for_the_classifier(detectors: Detectors) -> None:
    d = Driver(detectors)
    (delta,) = deltas_of("s", ["好。赌博网。"])
    d.log.append(Frame(1, "p", [delta]))
    begun = d.shard.begin(d.log[0], 0, now=0.0, wall=0.0)
    assert [o.order for o in begun.urgent if isinstance(o, Order)] == ["stop_generation", "stop_transmission"]


def test_the_classifier_stops_a_sentence_of_which_nothing_was_shown(detectors: Detectors) -> None:
    d = Driver(detectors)
    for delta in deltas_of("s", ["好。这个坏", "人。", "后面"]):
        d.send(delta)
    order = d.orders()[0]
    assert order.finding is not None
    assert (order.finding.source, order.finding.start, order.finding.end) == ("classifier", 2, 7)
    assert d.watermark("s") == 2 and order.watermark == 2 and order.shown == 0


def test_release_unit_delta_shows_earlier_and_says_what_was_shown(detectors: Detectors) -> None:
    d = Driver(detectors)
    deltas = deltas_of("s", ["这个", "人很坏", "吧。"], profile="prompt_delta")
    d.send(deltas[0])
    assert d.watermark("s") == 2
    d.send(deltas[1])
    assert d.watermark("s") == 2 and not d.orders()
    d.send(deltas[2])
    orders = d.orders()
    assert [o.order for o in orders] == ["stop_generation", "stop_transmission", "retract"]
    assert orders[0].shown == 2 and orders[2].retract_from == 0


def test_a_slow_sentence_is_released_after_a_while_and_still_judged_whole(detectors: Detectors) -> None:
    d = Driver(detectors)
    d.send(*deltas_of("s", ["这个人啊"], final=False))
    assert d.wait(0.5) == [] and d.watermark("s") == 0
    d.wait(1.1)
    assert d.watermark("s") == 4
    d.send(Delta("s", 1, 4, "很坏。", profile="plain"))
    order = d.orders()[0]
    assert order.finding is not None and order.finding.start == 0 and order.shown == 4


@pytest.mark.parametrize("profile", ["plain", "lexicon"])
def test_the_beginning_of_a_term_is_let_go_after_half_of_the_deadline(detectors: Detectors, profile: str) -> None:
    half = detectors.policy.profile(profile).deadline_ms / 2000
    d = Driver(detectors)
    d.send(*deltas_of("s", ["好的赌"], final=False, profile=profile))
    d.wait(half - 0.2)
    assert d.watermark("s") == 2
    d.wait(0.3)
    assert d.watermark("s") == 3
    # It is still part of the term when that goes on, and the order says that it was shown.
    d.send(Delta("s", 1, 3, "博网", profile=profile))
    order = d.orders()[0]
    assert order.finding is not None and order.finding.start == 2 and order.shown == 1


def test_a_weak_finding_is_flagged_and_the_text_goes_on(detectors: Detectors) -> None:
    d = Driver(detectors)
    d.send(*deltas_of("s", ["有疑问的句子。"]))
    assert [f.finding.score for f in d.flags() if f.finding] == [0.6] and not d.orders()
    assert d.watermark("s") == 7


def test_monitor_stops_nothing_and_records_what_it_would_have_done(detectors: Detectors) -> None:
    d = Driver(detectors)
    d.send(*deltas_of("s", ["坏。赌博网。"], profile="watch"))
    assert not d.orders() and d.watermark("s") == 6
    assert ["stop_generation", "stop_transmission"] in [f.would for f in d.flags()]


def test_monitor_records_a_failure_and_gives_no_order(detectors: Detectors) -> None:
    d = Driver(detectors)
    d.send(*deltas_of("s", ["好。"], profile="watch", final=False))
    d.send(Delta("s", 2, 9, "后", profile="watch"))
    d.wait(1.1)
    assert not d.orders() and [(f.reason, f.finding) for f in d.flags()] == [("gap", None)]


def test_live_retracts_from_the_first_violating_character(detectors: Detectors) -> None:
    d = Driver(detectors)
    for delta in deltas_of("s", ["好的，去赌博", "网"], profile="live"):
        d.send(delta)
    retract = [o for o in d.orders() if o.order == "retract"]
    assert [o.retract_from for o in retract] == [4]


def test_a_stopped_stream_stays_stopped_on_all_channels(detectors: Detectors) -> None:
    d = Driver(detectors)
    d.send(*deltas_of("s", ["好。", "想"], channel="reasoning", final=False))
    d.send(*deltas_of("s", ["赌博网"]))
    before = len(d.decisions)
    d.send(Delta("s", 2, 3, "法。", "reasoning", profile="plain"), Delta("s", 0, 0, "新。", "tool_call"))
    assert [x for x in d.decisions[before:] if not isinstance(x, Release) or x.marks] == []
    assert d.shard.take_counts().after_stop == 2


def test_repeats_change_nothing(detectors: Detectors) -> None:
    d = Driver(detectors)
    deltas = deltas_of("s", ["好。", "行。"], final=False)
    d.send(*deltas)
    d.send(*deltas)
    assert d.watermark("s") == 4 and d.shard.take_counts().repeats == 2


def test_a_missing_delta_holds_the_text_and_comes_late(detectors: Detectors) -> None:
    d = Driver(detectors)
    a, b, c = deltas_of("s", ["一。", "二。", "三。"])
    d.send(a, c)
    assert d.watermark("s") == 2
    d.wait(0.5)
    d.send(b)
    assert d.watermark("s") == 6 and not d.orders()


@pytest.mark.parametrize("wrong", [Delta("s", 2, 5, "三", profile="plain"), Delta("s", 1, 7, "三", profile="plain")])
def test_what_does_not_fit_stops_the_stream_as_a_gap(detectors: Detectors, wrong: Delta) -> None:
    d = Driver(detectors)
    d.send(*deltas_of("s", ["一。"], final=False))
    d.send(wrong)
    assert d.wait(0.9) == []
    orders = d.orders(d.wait(0.2))
    assert [(o.order, o.reason, o.outcome) for o in orders] == [
        ("stop_generation", "gap", "blocked_unavailable"),
        ("stop_transmission", "gap", "blocked_unavailable"),
    ]


def test_too_much_text_behind_a_gap_ends_the_wait(detectors: Detectors) -> None:
    d = Driver(detectors, Limits(gap_deltas=2))
    deltas = deltas_of("s", ["一", "二", "三", "四", "五"], final=False)
    d.send(deltas[0], *deltas[2:])
    assert {o.reason for o in d.orders(d.wait(0.01))} == {"gap"}


def test_a_stream_whose_beginning_is_lost_is_stopped_or_passed_unscanned(detectors: Detectors) -> None:
    d = Driver(detectors)
    d.send(Delta("s", 3, 10, "后面。", profile="plain"), Delta("o", 3, 10, "后面。", profile="open"))
    d.wait(1.1)
    assert {(o.stream, o.reason) for o in d.orders()} == {("s", "context_lost")}
    unscanned = [m for r in d.decisions if isinstance(r, Release) for m in r.unscanned]
    assert [(m.stream, m.offset) for m in unscanned] == [("o", 13)]


def test_a_detector_that_fails_blocks_or_passes_by_profile(detectors: Detectors) -> None:
    d = Driver(detectors)
    for stream, profile in (("closed", "plain"), ("open", "open")):
        (delta,) = deltas_of(stream, ["好。"], profile=profile)
        d.log.append(Frame(1, "p", [delta]))
        step = d.shard.begin(d.log[-1], len(d.log) - 1, now=0.0, wall=0.0)
        d.finish(step, answered=False)
    assert {(o.stream, o.reason, o.outcome) for o in d.orders()} == {
        ("closed", "detector_failed", "blocked_unavailable")
    }
    assert [m.stream for r in d.decisions if isinstance(r, Release) for m in r.unscanned] == ["open"]


def test_the_end_is_known(detectors: Detectors) -> None:
    d = Driver(detectors)
    deltas = deltas_of("s", ["一。", ""])
    d.send(*deltas)
    d.send(deltas[-1])
    assert d.rejected == [] and d.shard.take_counts().repeats == 1
    d.send(Delta("s", 2, 2, "", final=True, profile="plain"), Delta("s", 3, 2, "再来", profile="plain"))
    assert [(r.reason, r.stream, r.seq) for r in d.rejected] == [("after_final", "s", 2), ("after_final", "s", 3)]
    assert not d.orders()


def test_an_unknown_profile_and_each_limit_stop_the_stream(detectors: Detectors) -> None:
    d = Driver(detectors, Limits(open_streams_per_producer=2, channel_chars=5))
    d.send(Delta("x", 0, 0, "好", profile="nobody"))
    d.send(*(Delta(f"s{i}", 0, 0, "好", profile="plain") for i in range(3)))
    d.send(Delta("s0", 1, 1, "好好好好好", profile="plain"))
    reasons = {(o.stream, o.reason) for o in d.orders() if o.order == "stop_generation"}
    assert reasons == {("x", "unknown_profile"), ("s2", "limit"), ("s0", "limit")}
    d.send(Delta("s3", 0, 0, "好", profile="plain"))
    assert len(d.orders()) == 6, "s0 made room"


def test_a_silent_stream_does_not_stay_for_ever(detectors: Detectors) -> None:
    d = Driver(detectors)
    d.send(*deltas_of("s", ["好"], final=False))
    assert d.shard.expire(now=599, wall=0) == []
    (step,) = d.shard.expire(now=601, wall=0)
    d.finish(step)
    assert {o.reason for o in d.orders()} == {"idle"} and not d.shard.streams


def test_nul_and_empty_deltas_are_text_like_any_other(detectors: Detectors) -> None:
    d = Driver(detectors)
    d.send(*deltas_of("s", ["", "赌\x00", "", "博\x00网", ""]))
    finding = d.orders()[0].finding
    assert finding is not None and (finding.start, finding.end, finding.matched) == (0, 5, "noise")


def test_a_repeat_near_the_limit_of_a_channel_is_only_a_repeat(detectors: Detectors) -> None:
    d = Driver(detectors, Limits(channel_chars=5))
    deltas = deltas_of("s", ["好。", "行。"], final=False)
    d.send(*deltas)
    d.send(*deltas)
    assert not d.orders()


def test_what_came_early_and_stands_behind_the_end_is_rejected(detectors: Detectors) -> None:
    d = Driver(detectors)
    first, second = Delta("s", 0, 0, "好。", profile="plain"), Delta("s", 1, 2, "完。", final=True, profile="plain")
    d.send(first, Delta("s", 2, 4, "后。", profile="plain"))
    d.send(second)
    assert [(r.reason, r.seq) for r in d.rejected] == [("after_final", 2)]
    assert d.watermark("s") == 4 and not d.shard.streams


def test_frames_begun_together_end_a_channel_once(detectors: Detectors) -> None:
    d = Driver(detectors)
    frames = [
        Frame(1, "p", [Delta("s", 0, 0, "好", profile="lexicon")]),
        Frame(1, "p", [Delta("s", 1, 1, "", final=True, profile="lexicon")]),
        Frame(1, "p", [Delta("s", 0, 0, "新", "reasoning", profile="lexicon")]),
    ]
    steps = [d.shard.begin(f, n, now=0.0, wall=0.0) for n, f in enumerate(frames[:2])]
    d.finish(steps[0])
    step = d.shard.begin(frames[2], 2, now=0.0, wall=0.0)
    d.finish(steps[1])
    d.finish(step)
    assert "s" in d.shard.streams and d.watermark("s", "reasoning") == 1


def test_a_streams_first_profile_holds_for_its_later_channels(detectors: Detectors) -> None:
    d = Driver(detectors)
    d.send(*deltas_of("s", ["问。"], channel="prompt", profile="lexicon"))
    d.send(*deltas_of("s", ["去赌博网"], profile="watch"))
    assert {(o.stream, o.profile) for o in d.orders()} == {("s", "lexicon")}


def test_a_stream_belongs_to_the_producer_that_began_it(detectors: Detectors) -> None:
    d = Driver(detectors)
    first, second = deltas_of("s", ["好。", "行。"])
    d.send(first, producer="a")
    d.send(second, producer="b")
    assert [r.reason for r in d.rejected] == ["foreign_stream"]
    d.send(second, producer="a")
    assert d.watermark("s") == 4 and not d.orders()


def test_a_second_gap_has_a_wait_of_its_own(detectors: Detectors) -> None:
    d = Driver(detectors)
    a, b, c, e, f = deltas_of("s", ["一。", "二。", "三。", "四。", "五。"])
    d.send(a, c, f)
    d.wait(0.8)
    d.send(b)
    assert d.orders(d.wait(0.8)) == []
    d.send(e)
    assert d.watermark("s") == 10 and not d.orders()


def test_a_release_of_very_many_streams_is_cut_into_several(detectors: Detectors) -> None:
    d = Driver(detectors)
    decisions = d.send(*(Delta(f"s{n}", 0, 0, "好。", final=True, profile="lexicon") for n in range(1_200)))
    sizes = [len(r.marks) for r in decisions if isinstance(r, Release)]
    assert sizes == [500, 500, 200]


def test_text_passed_unscanned_is_said_to_be_until_its_end(detectors: Detectors) -> None:
    d = Driver(detectors)
    d.send(Delta("o", 3, 10, "后面的句子。还有", profile="open"))
    d.wait(1.1)
    d.send(Delta("o", 4, 18, "一句。", final=True, profile="open"))
    said = [(m.offset, False) for r in d.decisions if isinstance(r, Release) for m in r.marks]
    said += [(m.offset, True) for r in d.decisions if isinstance(r, Release) for m in r.unscanned]
    assert sorted(said) == [(16, True), (21, False)]
