"""The strong member in the worker: what does not wait for it, and what becomes of units when it is slow or fails."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from sluice.contract import Delta, Order, Release
from sluice.moderation.detector import Passage
from sluice.policy import Policy
from sluice.worker import judging
from support.drive import deltas_of
from support.marks import POLICY, MarkCascade, MarkScorer, mark_detectors
from worker.test_pipeline import Bench, owner, running, settle


class HeldCascade(MarkCascade):
    """Judges only when it is let; remembers what it was asked together."""

    def __init__(self, let: bool = False) -> None:
        self.let = threading.Event()
        self.called = threading.Event()
        self.calls: list[list[str]] = []
        if let:
            self.let.set()

    def judge(self, passages: Sequence[Passage]) -> NDArray[np.float32]:
        self.calls.append([p.text for p in passages])
        self.called.set()
        self.let.wait(20)
        return super().judge(passages)


def shown(bench: Bench) -> dict[str, int]:
    """By stream, how far it is released."""
    marks = [m for d in bench.sink.decisions() if isinstance(d, Release) for m in (*d.marks, *d.unscanned)]
    return {m.stream: m.offset for m in marks}


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that other tasks bring about."""
    for _ in range(4_000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise TimeoutError


async def test_no_other_frame_waits_for_a_judgement() -> None:
    scorer = HeldCascade()
    bench = Bench(mark_detectors(scorer), scoring_deadline=30)
    async with running(bench):
        await bench.pipeline.take([bench.add(*deltas_of("slow", ["好。", "慌。"], final=False))])
        await asyncio.to_thread(scorer.called.wait, 10)
        await bench.pipeline.take([bench.add(*deltas_of("t", ["好。"])), bench.add(Delta("slow", 2, 4, "好。"))])
        await until(lambda: len([d for d in bench.sink.decisions() if isinstance(d, Release)]) == 3)
        assert shown(bench) == {"slow": 2, "t": 2}
        scorer.let.set()
        await settle(bench)
        assert shown(bench) == {"slow": 6, "t": 2}


async def test_an_order_of_the_lexicon_does_not_wait_for_a_judgement() -> None:
    scorer = HeldCascade()
    bench = Bench(mark_detectors(scorer), scoring_deadline=30)
    async with running(bench):
        await bench.pipeline.take([bench.add(*deltas_of("s", ["慌。"], final=False))])
        await asyncio.to_thread(scorer.called.wait, 10)
        await bench.pipeline.take([bench.add(Delta("s", 1, 2, "去赌博网"))])
        assert {o.stream for o in bench.sink.orders()} == {"s"}
        scorer.let.set()
        await settle(bench)
    assert len(bench.sink.orders()) == 2


async def test_a_checkpoint_does_not_wait_and_commits_nothing_that_is_out() -> None:
    scorer = HeldCascade()
    bench = Bench(mark_detectors(scorer), scoring_deadline=30)
    async with running(bench):
        await bench.pipeline.take([bench.add(*deltas_of("t", ["好。"])), bench.add(*deltas_of("s", ["好。", "坏。"]))])
        await bench.pipeline.take([bench.add(*deltas_of("u", ["好。"]))])
        await asyncio.to_thread(scorer.called.wait, 10)
        await asyncio.wait_for(bench.checkpoint(max_age=60.0), 5)
        assert bench.commits == [{0: 1}]
        scorer.let.set()
        await settle(bench)
        await bench.checkpoint(max_age=60.0)
        assert bench.commits == [{0: 1}, {0: 3}]


@pytest.mark.parametrize("max_age", [60.0, 0.0], ids=["read again", "from the table"])
async def test_a_crash_between_skimming_and_judging_loses_no_order(max_age: float) -> None:
    first = Bench(mark_detectors(HeldCascade()), scoring_deadline=30)
    scorer = first.pipeline.detectors.scorer
    assert isinstance(scorer, HeldCascade)
    async with running(first):
        await first.pipeline.take([first.add(*deltas_of("s", ["好。", "坏。", "好"], final=False))])
        await asyncio.to_thread(scorer.called.wait, 10)
        await asyncio.wait_for(first.checkpoint(max_age), 5)
        scorer.let.set()
    assert not first.sink.orders()
    committed = first.commits[0][0] if first.commits else 0
    assert committed == (0 if max_age else 1)

    second = owner(dict(first.stored), first.log, mark_detectors(HeldCascade(let=True)), committed)
    async with running(second):
        await second.pipeline.catch_up({0: 1}, 0)
        await second.pipeline.catch_up({0: 1}, 0)
        await second.pipeline.tick()
        await settle(second)
    (generation, transmission) = second.sink.orders()
    assert (generation.order, transmission.order) == ("stop_generation", "stop_transmission")
    assert generation.finding is not None and (generation.finding.start, generation.finding.end) == (2, 4)


async def test_batches_form_across_streams_from_units_of_like_length() -> None:
    scorer = HeldCascade(let=True)
    bench = Bench(mark_detectors(scorer), judge_wait=0.3)
    long = "慌一二三四五六七八九十"
    async with running(bench):
        for number in range(3):
            await bench.pipeline.take(
                [bench.add(*deltas_of(f"s{number}", ["慌。"])), bench.add(*deltas_of(f"l{number}", [f"{long}。"]))]
            )
        await settle(bench)
    assert sorted(map(len, scorer.calls)) == [3, 3]
    assert {len({len(text) for text in call}) for call in scorer.calls} == {1}
    sample = bench.metrics.registry.get_sample_value
    assert sample("sluice_units_judged_total") == 6 and sample("sluice_judge_batch_sum") == 6
    assert sample("sluice_units_skimmed_total") == 6 and sample("sluice_judge_wait_seconds_count") == 6
    assert sample("sluice_judge_queue") == 0


async def test_a_judge_that_hangs_fails_its_call_and_later_ones_at_once() -> None:
    scorer = HeldCascade()
    bench = Bench(mark_detectors(scorer), scoring_deadline=0.2)
    async with running(bench):
        for number in range(4):
            profile = "open" if number == 3 else "plain"
            await bench.pipeline.take([bench.add(*deltas_of(f"s{number}", ["慌。"], profile=profile))])
            await settle(bench)
        assert len(scorer.calls) == 1
        assert {(o.stream, o.reason, o.outcome) for o in bench.sink.orders()} == {
            (f"s{number}", "detector_failed", "blocked_unavailable") for number in range(3)
        }
        unscanned = [m for d in bench.sink.decisions() if isinstance(d, Release) for m in d.unscanned]
        assert [(m.stream, m.offset) for m in unscanned] == [("s3", 2)]
        assert [key for key, _ in bench.stored] == [b'[0,"s%d",""]' % number for number in range(3)]
        scorer.let.set()
        stuck = bench.pipeline._judging._caller._stuck
        assert stuck is not None
        await until(stuck.done)
        await bench.pipeline.take([bench.add(*deltas_of("later", ["慌。"]))])
        await settle(bench)
    assert shown(bench) == {"s3": 2, "later": 2}
    assert bench.metrics.registry.get_sample_value("sluice_units_unanswered_total", {"cause": "failed"}) == 4


class FailingCascade(MarkCascade):
    """Raises on one text, returns too few rows for another, and no number for a third."""

    def judge(self, passages: Sequence[Passage]) -> NDArray[np.float32]:
        if any("炸" in p.text for p in passages):
            raise RuntimeError("no")
        rows = super().judge(passages)
        rows[["空" in p.text for p in passages], 0] = np.nan
        return rows[:-1] if any("缺" in p.text for p in passages) else rows


async def test_a_judge_that_fails_costs_only_what_it_was_asked() -> None:
    bench = Bench(mark_detectors(FailingCascade()))
    async with running(bench):
        for stream, text in (("a", "慌。"), ("b", "慌炸。"), ("c", "慌缺。"), ("d", "慌。")):
            await bench.pipeline.take([bench.add(*deltas_of(stream, [text]))])
            await settle(bench)
        await bench.pipeline.take([bench.add(*deltas_of("n", ["慌空。"]), *deltas_of("m", ["慌好。"]))])
        await settle(bench)
    assert {(o.stream, o.reason) for o in bench.sink.orders()} == {(s, "detector_failed") for s in "bcn"}
    assert set(shown(bench)) == set("adm")


class Panic(BaseException):
    """As a library in Rust raises it: no `Exception`."""


def panicking(rows: NDArray[np.float32]) -> object:
    raise Panic


def stopping(rows: NDArray[np.float32]) -> object:
    raise StopIteration


def with_score(score: float) -> Callable[[NDArray[np.float32]], object]:
    def change(rows: NDArray[np.float32]) -> object:
        rows[0, 0] = score
        return rows

    return change


ODD: dict[str, Callable[[NDArray[np.float32]], object]] = {
    "a list": lambda rows: rows.tolist(),
    "a tuple": lambda rows: (rows, rows),
    "nothing": lambda rows: None,
    "a text": lambda rows: "0.1",
    "objects": lambda rows: rows.astype(object),
    "texts": lambda rows: rows.astype(str),
    "whole numbers": lambda rows: rows.astype(np.int64),
    "complex numbers": lambda rows: rows.astype(np.complex64),
    "one axis": lambda rows: rows[0],
    "three axes": lambda rows: rows[None],
    "a head less": lambda rows: rows[:, :1],
    "a row more": lambda rows: np.concatenate([rows, rows]),
    "a single number": lambda rows: rows.sum(),
    "no number": with_score(np.nan),
    "infinity": with_score(np.inf),
    "above one": with_score(1.01),
    "below nought": with_score(-0.01),
    "a double too large": lambda rows: rows.astype(np.float64) * 1e300,
    "a panic": panicking,
    "the end of an iterator": stopping,
}


class OddJudge(MarkCascade):
    """Judges by something else than the documented array when `奇` is in the text."""

    def __init__(self, odd: Callable[[NDArray[np.float32]], object]) -> None:
        self.odd = odd

    def judge(self, passages: Sequence[Passage]) -> NDArray[np.float32]:
        rows = super().judge(passages)
        return self.odd(rows) if any("奇" in p.text for p in passages) else rows  # type: ignore[return-value]


class OddSkimmer(MarkScorer):
    """The same in its skimmer."""

    def __init__(self, odd: Callable[[NDArray[np.float32]], object]) -> None:
        self.odd = odd

    def skim(
        self, states: Sequence[object | None], pieces: Sequence[str]
    ) -> tuple[NDArray[np.float32], list[object | None]]:
        rows, after = super().skim(states, pieces)
        return (self.odd(rows) if any("奇" in piece for piece in pieces) else rows), after  # type: ignore[return-value]


@pytest.mark.parametrize("scorer", [OddJudge, OddSkimmer])
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
async def test_what_is_no_array_of_probabilities_is_a_failure(
    scorer: type[OddJudge | OddSkimmer], odd: Callable[[NDArray[np.float32]], object]
) -> None:
    bench = Bench(mark_detectors(scorer(odd)))
    async with running(bench):
        for stream, text in (("a", "慌好。"), ("b", "慌奇。"), ("c", "慌好。")):
            await bench.pipeline.take([bench.add(*deltas_of(stream, [text]))])
            await settle(bench)
        await bench.pipeline.take([bench.add(*deltas_of("o", ["慌奇。"], profile="open"))])
        await settle(bench)
    assert {(o.stream, o.reason, o.outcome) for o in bench.sink.orders()} == {
        ("b", "detector_failed", "blocked_unavailable")
    }
    assert shown(bench) == {"a": 3, "c": 3, "o": 3}
    unscanned = [m.stream for d in bench.sink.decisions() if isinstance(d, Release) for m in d.unscanned]
    assert unscanned == ["o"]


class OddStates(MarkScorer):
    """Its skimmer gives other states than it should."""

    def __init__(self, odd: Callable[[list[object | None]], object]) -> None:
        self.odd = odd

    def skim(
        self, states: Sequence[object | None], pieces: Sequence[str]
    ) -> tuple[NDArray[np.float32], list[object | None]]:
        rows, after = super().skim(states, pieces)
        return rows, self.odd(after)  # type: ignore[return-value]


@pytest.mark.parametrize("odd", [lambda s: None, lambda s: s[1:], lambda s: iter(s), lambda s: 7])
async def test_states_that_are_no_list_of_as_many_are_a_failure(odd: Callable[[list[object | None]], object]) -> None:
    bench = Bench(mark_detectors(OddStates(odd)))
    async with running(bench):
        await bench.pipeline.take([bench.add(*deltas_of("s", ["好。"]))])
        await settle(bench)
    assert {(o.stream, o.reason) for o in bench.sink.orders()} == {("s", "detector_failed")}


class SameArray(MarkCascade):
    """Gives every batch in the same array."""

    rows: NDArray[np.float32] = np.zeros((1, 2), dtype=np.float32)

    def judge(self, passages: Sequence[Passage]) -> NDArray[np.float32]:
        self.rows[:] = super().judge(passages)
        return self.rows


async def test_a_scorer_may_use_its_array_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "_BATCH", 1)
    bench = Bench(mark_detectors(SameArray()))
    async with running(bench):
        await bench.pipeline.take([bench.add(*deltas_of(s, [t])) for s, t in (("a", "坏。"), ("b", "慌。"))])
        await settle(bench)
    assert {o.stream for o in bench.sink.orders()} == {"a"} and set(shown(bench)) == {"b"}


async def test_a_full_queue_is_bounded_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "_WAITING", 8)
    monkeypatch.setattr(judging, "_BATCH", 4)
    scorer = HeldCascade()
    bench = Bench(mark_detectors(scorer), scoring_deadline=30)
    most = 0
    async with running(bench):
        records = [bench.add(*deltas_of(f"s{n}", ["慌。"])) for n in range(800)]
        taking = asyncio.create_task(bench.pipeline.take(records))
        await asyncio.to_thread(scorer.called.wait, 10)
        for _ in range(20):
            await asyncio.sleep(0.005)
            most = max(most, bench.pipeline._judging._waiting)
        assert not taking.done(), "overload holds the frames back"
        assert 8 < most <= 9
        scorer.let.set()
        await asyncio.wait_for(taking, 20)
        await asyncio.wait_for(bench.pipeline.drained(), 20)
    assert not bench.sink.orders()
    assert shown(bench) == {f"s{n}": 2 for n in range(800)}
    assert max(map(len, scorer.calls)) == 4
    assert bench.pipeline._judging.out == bench.pipeline._judging._waiting == 0


class SlowCascade(MarkCascade):
    """Takes 0.1 s a call."""

    def judge(self, passages: Sequence[Passage]) -> NDArray[np.float32]:
        time.sleep(0.1)
        return super().judge(passages)


async def test_what_does_not_get_its_turn_before_the_deadline_has_the_failure_outcome(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(judging, "_BATCH", 1)
    policy = Policy.parse(POLICY + "  brief: {extends: plain, unit_ms: 100, deadline_ms: 250}\n", "test.yaml")
    bench = Bench(mark_detectors(SlowCascade(), policy))
    async with running(bench):
        deltas = [Delta(f"s{n}", 0, 0, "慌。", final=True, profile="brief") for n in range(12)]
        await bench.pipeline.take([bench.add(*deltas)])
        await settle(bench)
    late = {o.stream for o in bench.sink.orders() if o.reason == "detector_failed"}
    assert "s0" not in late and "s11" in late and late | set(shown(bench)) == {f"s{n}" for n in range(12)}
    assert not late & set(shown(bench))
    count = bench.metrics.registry.get_sample_value("sluice_units_unanswered_total", {"cause": "late"})
    assert count == len(late)


@pytest.mark.parametrize("act", [lambda b: b.pipeline.drop(), lambda b: None], ids=["revoked", "stopped"])
async def test_what_is_out_when_nobody_needs_it_is_let_go(act: Callable[[Bench], object]) -> None:
    scorer = HeldCascade()
    bench = Bench(mark_detectors(scorer), scoring_deadline=30)
    async with running(bench):
        await bench.pipeline.take([bench.add(*deltas_of(f"s{n}", ["坏。"], final=False)) for n in range(50)])
        await asyncio.to_thread(scorer.called.wait, 10)
        act(bench)
        await bench.pipeline.take([bench.add(Delta(f"s{n}", 1, 2, "去赌博网")) for n in range(50)])
        scorer.let.set()
        await settle(bench)
        assert bench.pipeline._judging.out == 0
    rules = {o.finding.rule for o in bench.sink.orders() if isinstance(o, Order) and o.finding}
    assert "bad" not in rules


async def test_a_judging_loop_that_dies_ends_the_pipeline() -> None:
    bench = Bench(mark_detectors(HeldCascade(let=True)))
    bench.metrics.judge_batch = None  # type: ignore[assignment]
    async with running(bench) as task:
        await bench.pipeline.take([bench.add(*deltas_of("s", ["慌。"]))])
        with pytest.raises(AttributeError):
            await asyncio.wait_for(task, 10)
