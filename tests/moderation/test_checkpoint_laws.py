"""After a crash at any moment, reading on from the commit with the table's entries decides the same."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.contract import Delta, Frame, Order, Release
from sluice.moderation.checkpoint import plan_checkpoint, restore
from sluice.moderation.detectors import Detectors
from support.drive import Driver, deltas_of

SENTENCES = ["好", "好。", "去赌", "博网", "坏", "大麻", "烦。", "sm", " art", "疑问。", "一二三四五六七八九十", ""]


@st.composite
def logs(draw: st.DrawFn) -> list[Frame]:
    """Frames of several interleaved streams."""
    queues: list[list[Delta]] = []
    for number in range(draw(st.integers(1, 4))):
        parts = draw(st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=8))
        profile = draw(st.sampled_from(["plain", "lexicon"]))
        queues.append(deltas_of(f"s{number}", parts, profile=profile, final=draw(st.booleans())))
    frames = []
    while any(queues):
        chosen = draw(st.lists(st.sampled_from([q for q in queues if q]), min_size=1, max_size=3))
        frames.append(Frame(1, "p", [q.pop(0) for q in chosen if q]))
    return frames


def outcome(driver: Driver) -> tuple[set[str], dict[str, int]]:
    """Ids of all orders, and the last watermark of every stream."""
    marks: dict[str, int] = defaultdict(int)
    for decision in driver.decisions:
        if isinstance(decision, Release):
            for mark in decision.marks:
                marks[mark.stream] = max(marks[mark.stream], mark.offset)
    return {d.id for d in driver.decisions if isinstance(d, Order)}, dict(marks)


@settings(max_examples=300)
@given(logs(), st.lists(st.tuples(st.integers(0, 20), st.sampled_from(["checkpoint", "half", "crash", "wait"]))))
def test_a_crash_at_any_moment_changes_nothing(
    detectors: Detectors, frames: list[Frame], events: list[tuple[int, str]]
) -> None:
    undisturbed = Driver(detectors)
    for frame in frames:
        undisturbed.send(*frame.deltas)

    disturbed = Driver(detectors)
    disturbed.log = list(frames)
    table: dict[bytes, bytes] = {}
    committed = 0
    at = 0
    plan = sorted(events)
    for position in range(len(frames) + 1):
        for _, event in [e for e in plan if e[0] == position]:
            if event == "wait":
                disturbed.now += 1.0
            elif event in ("checkpoint", "half"):
                # "half": the process dies after the table was written and before the offset was committed.
                checkpoint = plan_checkpoint(
                    disturbed.shard, decided=at - 1, committed=committed, now=disturbed.now, max_age=2.0
                )
                for key, value in checkpoint.writes:
                    if value is None:
                        table.pop(key, None)
                    else:
                        table[key] = value
                assert checkpoint.commit >= committed
                if event == "checkpoint":
                    committed = checkpoint.commit
            if event in ("crash", "half"):
                fresh = Driver(detectors)
                fresh.log, fresh.now, fresh.decisions = disturbed.log, disturbed.now, disturbed.decisions
                disturbed = fresh
                restore(disturbed.shard, table, committed=committed, now=disturbed.now)
                for offset in range(committed, at):
                    disturbed.read(offset)
        if position < len(frames):
            disturbed.read(position)
            at = position + 1
    assert outcome(disturbed) == outcome(undisturbed)
    assert not disturbed.rejected


def test_entries_are_deleted_once_nothing_needs_them(detectors: Detectors) -> None:
    d = Driver(detectors)
    table: dict[bytes, bytes] = {}

    def checkpoint(committed: int) -> int:
        plan = plan_checkpoint(d.shard, decided=d.offset, committed=committed, now=d.now, max_age=2.0)
        for key, value in plan.writes:
            if value is None:
                table.pop(key, None)
            else:
                table[key] = value
        return plan.commit

    long = deltas_of("long", ["好。"] * 5)
    d.send(long[0])
    d.now = 5.0
    committed = checkpoint(0)
    assert committed == 1 and len(table) == 1
    for delta in long[1:]:
        d.send(delta)
    committed = checkpoint(committed)
    assert committed == 5 and len(table) == 1, "it says now that the channel is complete"
    committed = checkpoint(committed)
    committed = checkpoint(committed)
    assert table == {}
    d.send(*deltas_of("bad", ["赌博网"]))
    committed = checkpoint(committed)
    committed = checkpoint(committed)
    assert len(table) == 1, "a stopped stream stays"


def test_a_silent_channel_does_not_hold_the_reading_back(detectors: Detectors) -> None:
    d = Driver(detectors)
    d.send(*deltas_of("s", ["好。"], final=False))
    for second in (2.0, 4.0, 6.0):
        d.now = second
        d.send(*deltas_of(f"t{second}", ["好。"]))
        table = saved(d, max_age=2.0)
        fresh = Driver(detectors)
        restore(fresh.shard, table, committed=d.offset + 1, now=d.now)
        assert fresh.shard.next_offset == d.offset + 1


def saved(d: Driver, committed: int = 0, max_age: float = 0.0) -> dict[bytes, bytes]:
    """The table after a checkpoint."""
    plan = plan_checkpoint(d.shard, decided=d.offset, committed=committed, now=d.now, max_age=max_age)
    return {key: value for key, value in plan.writes if value is not None}


def reborn(d: Driver, detectors: Detectors, table: dict[bytes, bytes], committed: int) -> Driver:
    """A new worker that has taken over, and read again what it must."""
    fresh = Driver(detectors)
    fresh.log, fresh.now = d.log, d.now
    restore(fresh.shard, table, committed=committed, now=fresh.now)
    for offset in range(fresh.shard.next_offset, len(d.log)):
        fresh.read(offset)
    return fresh


def test_an_entry_that_a_paused_worker_wrote_too_late_does_no_harm(detectors: Detectors) -> None:
    d = Driver(detectors)
    deltas = deltas_of("s", ["一。", "二。", "三。", "四。"], final=False)
    other = deltas_of("t", ["甲。", "乙。"], final=False)
    d.send(deltas[0])
    stale = saved(d)
    d.send(deltas[1], other[0])
    d.send(deltas[2], other[1])
    table = {**saved(d), **stale}  # the commit is at 3, and the entry of s says 1
    fresh = reborn(d, detectors, table, committed=3)
    assert fresh.send(deltas[3]) and fresh.watermark("s") == 8
    assert not fresh.orders(fresh.wait(2.0))


def test_a_gap_goes_on_to_be_waited_for_after_a_crash(detectors: Detectors) -> None:
    d = Driver(detectors)
    first, _, third = deltas_of("s", ["一。", "二。", "三。"], profile="lexicon")
    d.send(first)
    d.send(third)
    d.send(Delta("u", 0, 5, "不合", profile="lexicon"))
    fresh = reborn(d, detectors, saved(d), committed=3)
    assert {(o.stream, o.reason) for o in fresh.orders(fresh.wait(1.1))} == {("s", "gap"), ("u", "context_lost")}


def test_a_classifier_that_a_new_policy_adds_begins_where_the_channel_is(detectors: Detectors) -> None:
    import msgspec

    d = Driver(detectors)
    d.send(*deltas_of("s", ["一二三。"], profile="lexicon", final=False))
    table = {
        key: msgspec.json.encode({**msgspec.json.decode(value), "profile": "plain"}) for key, value in saved(d).items()
    }
    fresh = reborn(d, detectors, table, committed=1)
    fresh.send(Delta("s", 1, 4, "很坏的。", final=True, profile="plain"))
    finding = fresh.orders()[0].finding
    assert finding is not None and (finding.start, finding.end) == (4, 8)


def test_partitions_do_not_share_entries(detectors: Detectors) -> None:
    keys = set()
    for partition in (0, 1):
        d = Driver(detectors)
        d.shard.partition = partition
        d.send(*deltas_of("same", ["好"], final=False))
        keys |= set(saved(d))
    assert len(keys) == 2


def test_a_stream_forgotten_and_stopped_again_stays_in_the_table(detectors: Detectors) -> None:
    from sluice.contract import Limits

    d = Driver(detectors, Limits(ended_streams=1))
    d.send(*deltas_of("a", ["赌博网"]))
    table = saved(d)
    d.send(*deltas_of("b", ["赌博网"]))
    d.send(*deltas_of("a", ["赌博网"]))
    for key, value in plan_checkpoint(d.shard, decided=d.offset, committed=0, now=0, max_age=2).writes:
        table.pop(key, None)
        if value is not None:
            table[key] = value
    fresh = reborn(d, detectors, table, committed=3)
    assert fresh.shard.ended.is_stopped("a") and not fresh.shard.ended.is_stopped("b")
