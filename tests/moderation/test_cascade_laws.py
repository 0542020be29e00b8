"""However a text is cut, and whenever what is in doubt is judged, the decisions are those about the whole text."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moderation.test_checkpoint_laws import outcome
from sluice.contract import Delta, Finding, Frame
from sluice.moderation.checkpoint import plan_checkpoint, restore
from sluice.moderation.detectors import Detectors
from sluice.moderation.moderator import Moderator
from sluice.policy import Policy
from support.drive import Driver, deltas_of
from support.marks import POLICY, MarkCascade, MarkScorer, PlainMarks, mark_detectors

TEXT = st.text(alphabet="坏疑偏慌暗引好天气，。\n", max_size=60)
SCORERS = [MarkScorer(), PlainMarks(), MarkCascade()]


def cut(text: str, cuts: list[int]) -> list[str]:
    edges = sorted({0, len(text), *(c for c in cuts if c < len(text))})
    return [text[a:b] for a, b in pairwise(edges)] or [""]


def key(finding: Finding) -> tuple[int, int, str, float]:
    return finding.start, finding.end, finding.rule, finding.score


@pytest.mark.parametrize("scorer", SCORERS, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("profile", ["watch", "watch_third", "watch_delta"])
@settings(max_examples=60, deadline=None)
@given(
    text=TEXT,
    prompt=st.just("") | TEXT,
    cuts=st.lists(st.integers(0, 60), max_size=8),
    data=st.data(),
)
def test_a_stream_finds_what_the_whole_text_does(
    scorer: MarkScorer, profile: str, text: str, prompt: str, cuts: list[int], data: st.DataObject
) -> None:
    policy = Policy.parse(
        POLICY
        + "  watch_third: {extends: third, mode: monitor}\n  watch_delta: {extends: prompt_delta, mode: monitor}\n",
        "test.yaml",
    )
    detectors = mark_detectors(scorer, policy)
    whole = Moderator(profile, policy=policy, lexicon=detectors.lexicon, scorer=scorer).check(text, prompt=prompt)

    driver = Driver(detectors)
    driver.judging = False
    if prompt:
        driver.send(*deltas_of("s", [prompt], channel="prompt", profile=profile))
    for delta in deltas_of("s", cut(text, cuts), profile=profile):
        driver.send(delta)
        while driver.asks and data.draw(st.booleans(), label="an answer comes"):
            at = data.draw(st.integers(0, len(driver.asks) - 1), label="whose")
            driver.answer([driver.asks.pop(at)])
    driver.judge()

    found = [f.finding for f in driver.flags() if f.finding is not None and f.channel == "answer"]
    assert [key(f) for f in sorted(found, key=key)] == sorted(key(f) for f in whole.findings)
    assert [f.start for f in found] == sorted(f.start for f in found), "in the order of the text"
    assert driver.watermark("s") == len(text) and not driver.shard.streams


PARTS = ["好", "好。", "坏", "慌。", "引。", "暗。", "疑问，", "一二三四五六七八九十", "偏。", ""]


@st.composite
def logs(draw: st.DrawFn) -> list[Frame]:
    """Frames of interleaved streams, some with a prompt, whose answer comes only after it or beside it."""
    queues: list[list[Delta]] = []
    for number in range(draw(st.integers(1, 3))):
        profile = draw(st.sampled_from(["plain", "third"]))
        answer = deltas_of(
            f"s{number}", draw(st.lists(st.sampled_from(PARTS), min_size=1, max_size=6)), profile=profile,
            final=draw(st.booleans()),
        )  # fmt: skip
        prompt = deltas_of(
            f"s{number}", draw(st.lists(st.sampled_from(["引。", "好", "慌。", "好。"]), max_size=3)), profile=profile,
            channel="prompt",
        )  # fmt: skip
        if draw(st.booleans()):
            queues.append([*prompt, *answer])
        else:
            queues += [prompt, answer]
    frames = []
    while queues := [queue for queue in queues if queue]:
        chosen = draw(st.lists(st.sampled_from(queues), min_size=1, max_size=3))
        frames.append(Frame(1, "p", [queue.pop(0) for queue in chosen if queue]))
    return frames


EVENTS = ["checkpoint", "half", "crash", "wait", "answer", "answer", "answers"]


@pytest.mark.parametrize("scorer", SCORERS[1:], ids=lambda s: type(s).__name__)
@settings(max_examples=250, deadline=None)
@given(frames=logs(), events=st.lists(st.tuples(st.integers(0, 20), st.sampled_from(EVENTS)), max_size=14))
def test_a_crash_between_skimming_and_judging_changes_nothing(
    scorer: MarkScorer, frames: list[Frame], events: list[tuple[int, str]]
) -> None:
    detectors: Detectors = mark_detectors(scorer)
    undisturbed = Driver(detectors)
    for frame in frames:
        undisturbed.send(*frame.deltas)

    disturbed = Driver(detectors)
    disturbed.log, disturbed.judging = list(frames), False
    table: dict[bytes, bytes] = {}
    committed = at = 0
    for position in range(len(frames) + 1):
        for _, event in sorted(e for e in events if e[0] == position):
            if event == "wait":
                disturbed.now += 1.0
            elif event in ("answer", "answers"):
                disturbed.judge(1 if event == "answer" else None)
            elif event in ("checkpoint", "half"):
                plan = plan_checkpoint(
                    disturbed.shard, decided=at - 1, committed=committed, now=disturbed.now, max_age=2.0
                )
                for name, value in plan.writes:
                    table.pop(name, None)
                    if value is not None:
                        table[name] = value
                if event == "checkpoint":
                    committed = max(committed, plan.commit)
            if event in ("crash", "half"):
                fresh = Driver(detectors)
                fresh.log, fresh.now, fresh.decisions = disturbed.log, disturbed.now, disturbed.decisions
                fresh.judging = False
                disturbed = fresh
                restore(disturbed.shard, table, committed=committed, now=disturbed.now)
                disturbed.wait(0.0)
                for offset in range(disturbed.shard.next_offset, at):
                    disturbed.read(offset)
        if position < len(frames):
            disturbed.read(position)
            at = position + 1
    disturbed.judge()
    (orders, marks), (wanted, shown) = outcome(disturbed), outcome(undisturbed)
    # How much of a stream was released before its stop depends on what was known together.
    stopped = {o.stream for o in undisturbed.orders()}
    assert orders == wanted
    assert {s: at for s, at in marks.items() if s not in stopped} == {
        s: at for s, at in shown.items() if s not in stopped
    }
    assert not disturbed.rejected
    assert set(disturbed.shard.streams) == set(undisturbed.shard.streams)


def test_the_end_of_a_prompt_is_kept_until_its_answer_is_over() -> None:
    d = Driver(mark_detectors(MarkCascade()))
    table: dict[bytes, bytes] = {}

    def checkpoint(committed: int) -> int:
        plan = plan_checkpoint(d.shard, decided=d.offset, committed=committed, now=d.now, max_age=2.0)
        for name, value in plan.writes:
            table.pop(name, None)
            if value is not None:
                table[name] = value
        return plan.commit

    d.send(*deltas_of("s", ["请引用。"], channel="prompt"))
    committed = checkpoint(0)
    assert committed == 1 and len(table) == 1
    fresh = Driver(d.detectors)
    fresh.log = d.log
    restore(fresh.shard, table, committed=committed, now=d.now)
    fresh.send(*deltas_of("s", ["坏。"]))
    assert not fresh.orders()
    d.send(*deltas_of("s", ["坏。"]))
    for _ in range(3):
        committed = checkpoint(committed)
    assert not d.orders() and table == {}
    d.send(*deltas_of("t", ["请问。"], channel="prompt"))
    committed = checkpoint(committed)
    assert len(table) == 1
    d.now += d.limits.idle_seconds + 1
    for _ in range(2):
        committed = checkpoint(committed)
    assert table == {}, "nor longer than a stream is waited for"


def test_an_answer_that_began_before_the_prompts_end_is_read_again_without_it() -> None:
    d = Driver(mark_detectors(MarkCascade()))
    d.judging = False
    first, last = deltas_of("s", ["请", "引用。"], channel="prompt")
    d.send(first)
    d.now = 5.0
    table: dict[bytes, bytes] = {}
    plan = plan_checkpoint(d.shard, decided=0, committed=0, now=d.now, max_age=2.0)
    table.update((name, value) for name, value in plan.writes if value is not None)
    d.send(*deltas_of("s", ["坏。"], final=False))
    d.send(last)
    plan = plan_checkpoint(d.shard, decided=2, committed=plan.commit, now=d.now, max_age=2.0)
    table.update((name, value) for name, value in plan.writes if value is not None)
    assert plan.commit == 1, "the answer has a unit that is out"
    fresh = Driver(d.detectors)
    fresh.log, fresh.judging = d.log, False
    restore(fresh.shard, table, committed=plan.commit, now=d.now)
    assert fresh.shard.ended.next_seq("s", "prompt") == 2, "known to be complete before the answer is read again"
    for offset in (1, 2):
        fresh.read(offset)
    assert [a.unit.context for a in fresh.asks] == [a.unit.context for a in d.asks] == [""]
