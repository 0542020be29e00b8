"""The exchange of the lexicon inside a worker: what is judged by which, and what each decision pins."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sluice.contract import Frame, Limits, Order, Release
from sluice.lexicon import Lexicon, Term
from sluice.moderation.checkpoint import plan_checkpoint, restore
from sluice.moderation.detector import Passage
from sluice.moderation.detectors import Detectors
from sluice.moderation.shard import Shard
from support.drive import Driver, deltas_of
from support.marks import MarkScorer, mark_detectors
from worker.test_pipeline import Bench, running, settle

OLD = mark_detectors()
NEW = OLD.with_lexicon(Lexicon([Term("紫河马", "A.1.h", 3, "t"), Term("赌博网", "A.1.h", 3, "t")]))
LEXICON_ONLY = "lexicon"


class SlowMarks(MarkScorer):
    """Takes its time, so that frames are on their way when the lexicon is exchanged."""

    def score(self, passages: Sequence[Passage]) -> NDArray[np.float32]:
        time.sleep(0.2)
        return super().score(passages)


def test_other_detectors_share_all_but_the_lexicon() -> None:
    assert NEW.scorer is OLD.scorer and NEW.policy is OLD.policy
    assert NEW.versions.lexicon == NEW.lexicon.version != OLD.versions.lexicon == OLD.lexicon.version
    assert (NEW.versions.model, NEW.versions.policy) == (OLD.versions.model, OLD.versions.policy)
    assert OLD.lexicon_scan().lexicon is OLD.lexicon


def test_a_term_cut_by_the_exchange_stops_and_pins_the_new_version() -> None:
    driver = Driver(OLD)
    first, second = deltas_of("s", ["你好，紫河", "马来了。"], profile=LEXICON_ONLY)
    driver.send(first)
    assert driver.watermark("s") == 5
    driver.shard.use(NEW)
    stop, *_ = driver.orders(driver.send(second))
    assert stop.finding is not None and (stop.finding.start, stop.finding.end) == (3, 6)
    assert stop.shown == 2 and stop.versions == NEW.versions


def test_a_frame_begun_before_pins_what_judged_it() -> None:
    driver = Driver(OLD)
    frame = Frame(1, "p", deltas_of("s", ["你好大"], profile=LEXICON_ONLY, final=False))
    step = driver.shard.begin(frame, 0, now=0.0, wall=0.0)
    driver.shard.use(NEW)
    (release,) = driver.finish(step)
    assert isinstance(release, Release) and release.versions == OLD.versions
    driver.log.append(frame)
    (release,) = driver.send(*deltas_of("t", ["好。"], profile=LEXICON_ONLY))
    assert release.versions == NEW.versions


def test_what_the_old_lexicon_stopped_stays_stopped() -> None:
    driver = Driver(OLD)
    driver.send(*deltas_of("s", ["大麻，", "没事。"], profile=LEXICON_ONLY, final=False))
    assert driver.orders()
    driver.shard.use(NEW)
    assert driver.orders(driver.send(*deltas_of("s", ["大麻，", "没事。", "还有。"], profile=LEXICON_ONLY))) == []
    assert driver.watermark("s") == 0
    assert driver.orders(driver.send(*deltas_of("t", ["大麻，没事。"], profile=LEXICON_ONLY))) == []
    assert driver.watermark("t") == 6


def test_what_was_held_back_is_judged_before_time_releases_it() -> None:
    driver = Driver(OLD)
    driver.send(*deltas_of("s", ["这是赌博"], profile="plain", final=False))
    other = OLD.with_lexicon(Lexicon([Term("赌博", "A.1.h", 3, "t")]))
    driver.shard.use(other)
    # Nothing more comes for the stream; its slow sentence is asked for, and is not released by what the old one said.
    stop, *_ = driver.orders(driver.wait(60.0))
    assert stop.finding is not None and (stop.finding.start, stop.finding.end) == (2, 4)
    assert stop.versions == other.versions and driver.watermark("s") == 0


def test_a_state_of_the_table_goes_on_under_another_lexicon() -> None:
    driver = Driver(OLD)
    first, second = deltas_of("s", ["你好，紫河", "马来了。"], profile=LEXICON_ONLY)
    driver.send(first)
    plan = plan_checkpoint(driver.shard, decided=0, committed=0, now=100.0, max_age=0.0)
    entries = {key: value for key, value in plan.writes if value is not None}
    driver.detectors, driver.shard = NEW, Shard(0, NEW, Limits())
    restore(driver.shard, entries, committed=plan.commit, now=100.0)
    stop, *_ = driver.orders(driver.send(second))
    assert stop.finding is not None and stop.finding.rule.startswith("t-") and stop.versions == NEW.versions


@settings(max_examples=200, deadline=None)
@given(
    text=st.text(alphabet="紫河马赌博网。 好", max_size=24),
    cuts=st.lists(st.integers(0, 24), max_size=6),
    swap=st.integers(0, 6),
)
def test_every_term_that_ends_after_the_exchange_is_found(text: str, cuts: list[int], swap: int) -> None:
    edges = sorted({0, len(text), *(c for c in cuts if c < len(text))})
    parts = [text[a:b] for a, b in pairwise(edges)] or [""]
    driver = Driver(OLD)
    done = 0
    for number, delta in enumerate(deltas_of("s", parts, profile=LEXICON_ONLY)):
        if number == swap:
            driver.shard.use(NEW)
            done = delta.start
        driver.send(delta)
    if swap >= len(parts):
        return
    after = [i + 3 for t in ("紫河马", "赌博网") for i in range(len(text)) if text.startswith(t, i) and i + 3 > done]
    stopped = bool(driver.orders())
    assert stopped or not after
    if not stopped:
        assert driver.watermark("s") == len(text)


async def test_the_pipeline_finishes_old_frames_first_and_stores_what_was_stopped() -> None:
    bench = Bench(mark_detectors(SlowMarks()))
    bench_old = bench.pipeline.detectors
    new = bench_old.with_lexicon(NEW.lexicon)
    async with running(bench):
        await bench.pipeline.take([bench.add(*deltas_of("s", ["有大麻，", "坏人。"]))])
        await bench.pipeline.take([bench.add(*deltas_of("t", ["好人。"], final=False))])
        await asyncio.wait_for(bench.pipeline.use(new), 10)
        assert bench.pipeline.detectors is new
        assert len(bench.sink.decisions()) >= 3, "all of the old frames are finished"
        assert {d.versions.lexicon for d in bench.sink.decisions()} == {bench_old.lexicon.version}
        assert [key for key, value in bench.stored if value] == [b'[0,"s",""]']
        await bench.pipeline.take([bench.add(*deltas_of("u", ["紫河马"]))])
        await settle(bench)
    last = bench.sink.decisions()[-2]
    assert isinstance(last, Order) and last.versions.lexicon == new.lexicon.version
    sample = bench.metrics.registry.get_sample_value
    assert sample("sluice_lexicon", {"version": new.lexicon.version}) == 1
    assert sample("sluice_lexicon", {"version": bench_old.lexicon.version}) is None
    assert sample("sluice_lexicon_swaps_total") == 1


async def test_an_exchange_while_partitions_are_revoked() -> None:
    bench = Bench(mark_detectors(SlowMarks()))
    new: Detectors = bench.pipeline.detectors.with_lexicon(NEW.lexicon)
    async with running(bench):
        await bench.pipeline.take([bench.add(*deltas_of("s", ["有大麻，"]), *deltas_of("t", ["好人。"]))])
        using = asyncio.create_task(bench.pipeline.use(new))
        await asyncio.sleep(0.05)
        bench.pipeline.drop()
        await asyncio.wait_for(using, 10)
        assert bench.stored == [] and bench.pipeline.detectors is new
