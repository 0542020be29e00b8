"""Units that are judged later than their frame: what waits for them, what does not, and what they are judged with."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sluice.contract import Delta, Release
from sluice.moderation.detectors import Detectors
from sluice.moderation.units import CONTEXT_CHARS, context_of
from sluice.policy import Policy
from support.drive import Driver, deltas_of
from support.marks import POLICY, MarkCascade, PlainMarks, mark_detectors


@pytest.fixture
def driver() -> Driver:
    """A shard with a cascade; what is in doubt waits until the test has it judged."""
    d = Driver(mark_detectors(MarkCascade()))
    d.judging = False
    return d


def asked(d: Driver) -> list[tuple[str, str, str]]:
    """What is out: stream, text and context."""
    return [(a.channel.stream.id, a.unit.text, a.unit.context) for a in d.asks]


def test_what_the_cheap_stage_clears_is_not_judged(driver: Driver) -> None:
    driver.send(*deltas_of("s", ["天气", "好。", "很好。"]))
    assert driver.watermark("s") == 7 and not driver.asks


def test_a_unit_in_doubt_holds_its_channel_and_no_other(driver: Driver) -> None:
    first = driver.send(*deltas_of("s", ["好。", "慌。", "好。"], final=False), *deltas_of("t", ["好。"]))
    assert isinstance(first[-1], Release) and {m.stream: m.offset for m in first[-1].marks} == {"s": 2, "t": 2}
    assert asked(driver) == [("s", "慌。", "好。")]
    release = driver.send(Delta("s", 3, 6, "行。", final=True))[-1]
    assert isinstance(release, Release) and release.marks == [], "the frame is answered"
    assert driver.watermark("s") == 2
    (release,) = driver.judge()
    assert isinstance(release, Release) and driver.watermark("s") == 8
    assert driver.shard.streams == {} and driver.shard.ended.next_seq("s", "answer") == 4


def test_a_later_answer_clears_nothing_over_an_earlier_unit_that_is_out(driver: Driver) -> None:
    driver.send(*deltas_of("s", ["慌一。", "慌二。", "好。", "慌三。"], final=False))
    one, two, three = driver.asks
    assert driver.answer([three]) == [] and driver.answer([two]) == [] and driver.watermark("s") == 0
    assert driver.answer([one]) and driver.watermark("s") == 11


def test_findings_come_in_the_order_of_the_text_whenever_they_are_known(driver: Driver) -> None:
    driver.send(*deltas_of("s", ["坏一。", "坏二。"]))
    one, two = driver.asks
    assert driver.answer([two]) == []
    orders = driver.orders(driver.answer([one]))
    assert [(o.finding.start, o.finding.end) for o in orders if o.finding] == [(0, 3), (0, 3)]


def test_decisions_name_the_frame_that_ended_the_unit(driver: Driver) -> None:
    driver.send(*deltas_of("s", ["好。", "坏"], final=False))
    driver.send(Delta("s", 2, 3, "人。"))
    driver.send(*deltas_of("t", ["好。"]))
    assert {o.frame.offset for o in driver.orders(driver.judge())} == {1}


def test_a_stop_drops_what_is_out(driver: Driver) -> None:
    driver.send(*deltas_of("s", ["慌一。"], final=False))
    driver.send(Delta("s", 1, 3, "去赌博网"))
    assert driver.orders() and driver.judge() == []


def test_a_context_is_the_last_whole_units_that_fit() -> None:
    assert context_of([]) == []
    assert context_of(["一。", "二。"]) == ["一。", "二。"]
    assert context_of(["甲" * 100, "乙" * 20, "丙" * 101]) == ["丙" * 101]
    assert context_of(["甲" * 99, "乙" * 20, "丙" * 100]) == ["乙" * 20, "丙" * 100]
    assert context_of(["甲", "乙" * 150]) == ["乙" * CONTEXT_CHARS]


def test_a_sentence_is_judged_with_the_one_before_it(driver: Driver) -> None:
    driver.send(*deltas_of("s", ["他引用说：", "\n", "很坏。", "好。", "好。", "好。", "坏。"]))
    assert not driver.orders(driver.judge()), "the quotation reaches as far as the context does"
    driver.send(*deltas_of("t", ["好。", "坏。"]))
    assert asked(driver) == [("t", "坏。", "好。")] and driver.orders(driver.judge())


@pytest.mark.parametrize("together", [False, True])
def test_an_answers_first_sentence_is_judged_with_a_complete_prompt(driver: Driver, together: bool) -> None:
    prompt, answer = deltas_of("s", ["前面。", "请引用。"], channel="prompt"), deltas_of("s", ["坏。", "坏。"])
    if together:
        driver.send(*prompt, *answer)
    else:
        driver.send(*prompt)
        assert driver.watermark("s", "prompt") == 7
        driver.send(*answer)
    assert asked(driver) == [("s", "坏。", "前面。请引用。"), ("s", "坏。", "坏。")]


def test_a_prompt_that_is_not_complete_is_no_context(driver: Driver) -> None:
    prompt = deltas_of("s", ["请引用。", "还有。"], channel="prompt")
    driver.send(prompt[0])
    driver.send(*deltas_of("s", ["坏。"]))
    driver.send(prompt[1])
    assert asked(driver) == [("s", "坏。", "")]
    driver.send(*deltas_of("s", ["坏。"], channel="reasoning"))
    assert asked(driver)[1] == ("s", "坏。", ""), "only the answer is read with it"


def test_every_third_unit_is_judged_where_the_profile_says_so(driver: Driver) -> None:
    driver.send(*deltas_of("s", ["一。", "二。", "三。", "四。", "五。", "暗。", "七。"], profile="third"))
    assert [text for _, text, _ in asked(driver)] == ["三。", "暗。"]
    assert [o.finding.start for o in driver.orders(driver.judge()) if o.finding] == [10, 10]


def test_shown_by_delta_until_the_cheap_stage_doubts_it(driver: Driver) -> None:
    deltas = deltas_of("s", ["天气", "好慌", "，是吧", "。", "行"], profile="prompt_delta", final=False)
    for delta, shown in zip(deltas, [2, 2, 2, 2, 2], strict=True):
        driver.send(delta)
        assert driver.watermark("s") == shown
    assert asked(driver) == [("s", "天气好慌，是吧。", "")]
    driver.judge()
    assert driver.watermark("s") == 9, "and what came meanwhile is shown with it"


def test_a_channel_that_is_shown_to_its_end_lives_until_its_last_unit_is_judged() -> None:
    policy = Policy.parse(POLICY + "  all: {extends: prompt_delta, strong_every: 1}\n", "test.yaml")
    d = Driver(mark_detectors(MarkCascade(), policy))
    d.judging = False
    first, last = deltas_of("s", ["暗一句", ""], profile="all")
    d.send(first)
    d.send(last)
    assert d.watermark("s") == 3 and "s" in d.shard.streams
    orders = d.orders(d.judge())
    assert [o.order for o in orders] == ["stop_generation", "stop_transmission", "retract"]
    assert {o.shown for o in orders} == {3}


def test_a_slow_unit_in_doubt_waits_for_its_end(driver: Driver) -> None:
    driver.send(*deltas_of("s", ["天气"], final=False), *deltas_of("t", ["慌"], final=False))
    driver.wait(2.0)
    assert driver.watermark("s") == 2 and driver.watermark("t") == 0 and not driver.asks
    driver.send(Delta("t", 1, 1, "张。"))
    driver.judge()
    assert driver.watermark("t") == 3


@pytest.mark.parametrize(
    ("profile", "watermark", "stopped"), [("plain", 2, True), ("open", 4, False)], ids=["closed", "open"]
)
def test_no_answer_has_the_profiles_outcome(driver: Driver, profile: str, watermark: int, stopped: bool) -> None:
    driver.send(*deltas_of("s", ["好。", "慌。"], profile=profile))
    driver.judge(answered=False)
    assert driver.watermark("s") == 2 if stopped else 4
    assert {o.reason for o in driver.orders()} == ({"detector_failed"} if stopped else set())
    unscanned = [m.offset for d in driver.decisions if isinstance(d, Release) for m in d.unscanned]
    assert unscanned == ([] if stopped else [4])


def test_a_skimmer_that_fails_reads_a_unit_again_when_more_of_it_has_come(driver: Driver) -> None:
    driver.send(Delta("s", 0, 0, "很坏", profile="plain"))
    channel = driver.shard.streams["s"].channels["answer"]
    step = driver.shard.tick(now=99.0, wall=0.0)[0]
    assert channel.windows is not None
    channel.windows._unit.skimmed, channel.windows._unit.running, channel.windows._unit.skim = 0, None, None
    driver.decisions.clear()
    driver.finish(step, answered=False)
    assert {o.reason for o in driver.orders()} == {"detector_failed"}, "it was to be shown, and could not be read"
    fresh = Driver(driver.detectors)
    first, second = deltas_of("s", ["很坏", "。"])
    fresh.finish(fresh.shard.begin(frame(first), 0, now=0.0, wall=0.0), answered=False)
    assert not fresh.orders(), "nothing of it was to be shown yet"
    fresh.finish(fresh.shard.begin(frame(second), 1, now=0.0, wall=0.0))
    assert {o.reason for o in fresh.orders()} == {"finding"}


def frame(*deltas: Delta):  # type: ignore[no-untyped-def]
    from sluice.contract import Frame

    return Frame(1, "p", list(deltas))


@pytest.fixture
def plain_driver() -> Driver:
    """A shard whose model has no cheap stage."""
    d = Driver(mark_detectors(PlainMarks()))
    d.judging = False
    return d


def test_without_a_cheap_stage_every_unit_is_judged(plain_driver: Driver) -> None:
    d = plain_driver
    d.send(*deltas_of("s", ["好。", "行。", "还", "有"]))
    assert [text for _, text, _ in asked(d)] == ["好。", "行。", "还有"] and d.watermark("s") == 0
    d.judge(1)
    assert d.watermark("s") == 2
    d.judge()
    assert d.watermark("s") == 6


def test_without_a_cheap_stage_one_beginning_after_another_is_judged(plain_driver: Driver) -> None:
    d = plain_driver
    first, second, third, fourth = deltas_of("s", ["天", "气", "坏", "。"], profile="prompt_delta")
    d.send(first)
    d.send(second)
    assert [text for _, text, _ in asked(d)] == ["天"], "what came since goes when its answer is there"
    d.judge(1)
    assert d.watermark("s") == 1 and [text for _, text, _ in asked(d)] == ["天气"]
    d.judge(1)
    assert d.watermark("s") == 2 and not d.asks
    d.send(third)
    d.judge(1)
    assert d.watermark("s") == 2, "a high score waits for the end"
    d.send(fourth)
    assert d.orders(d.judge())


@pytest.mark.parametrize("make", [MarkCascade, PlainMarks])
def test_a_lexicon_taken_up_while_a_unit_is_out_judges_what_was_held_back(make: Callable[[], MarkCascade]) -> None:
    from sluice.lexicon import Lexicon, Term

    detectors: Detectors = mark_detectors(make())
    d = Driver(detectors)
    d.judging = False
    d.send(*deltas_of("s", ["这是慌赌博"], final=False))
    d.wait(2.0)
    d.send(Delta("s", 1, 5, "。"))
    d.shard.use(detectors.with_lexicon(Lexicon([Term("赌博", "A.1.h", 3, "t")])))
    stops = d.orders(d.judge())
    assert stops == [] or {o.finding.rule[:2] for o in stops if o.finding} == {"t-"}
