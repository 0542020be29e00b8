"""Streams of the demo in every state, without a broker."""

from __future__ import annotations

import random

import msgspec

from sluice.contract import FrameRef, Mark, Order, Release, Versions
from sluice.demo.scripts import Script, load_scripts
from sluice.demo.show import Show
from sluice.demo.stage import WorkerReport
from sluice.demo.stream import StreamRun
from sluice.demo.summary import Summary, summarize
from sluice.local import MockBroker

SCRIPTS = {script.id: script for script in load_scripts()}
CLEAN, DRUGS, CRISIS = SCRIPTS["cook-zh"], SCRIPTS["drugs-zh"], SCRIPTS["crisis-zh"]
VERSIONS = Versions("l1", "m1", "p1")


def order(kind: str = "stop_transmission", risk: str = "A.1.h", source: str = "lexicon", **more: object) -> Order:
    fields = {
        "v": 1,
        "id": f"{kind}-{risk}",
        "order": kind,
        "producer": "p",
        "stream": "s",
        "channel": "answer",
        "profile": "default",
        "outcome": "blocked",
        "reason": "finding",
        "watermark": 0,
        "frame": FrameRef(0, 1),
        "versions": VERSIONS,
        "sent_at": 1.0,
        "decided_at": 1.0,
        "finding": {"risk": risk, "source": source, "rule": "r-1", "score": 1.0, "start": 70, "end": 76},
        **more,
    }
    return msgspec.convert(fields, Order)


def release(offset: int, sent_at: float) -> Release:
    return Release(1, "p", FrameRef(0, offset), [Mark("s", "answer", 5)], VERSIONS, sent_at, 1.0)


def run_of(script: Script, state: str, **attributes: object) -> StreamRun:
    run = StreamRun(f"{script.id}.1", script, random.Random(1))
    run.state = state  # type: ignore[assignment]
    for name, value in attributes.items():
        setattr(run, name, value)
    return run


def stopped(script: Script, by: Order, **attributes: object) -> StreamRun:
    return run_of(script, "stopped", order=by, completed_at=10.0, carried_out_at=10.025, **attributes)


def released(script: Script) -> StreamRun:
    return run_of(script, "released", shown=dict(script.channels))


def summary_of(*runs: StreamRun, problems: tuple[str, ...] = ()) -> Summary:
    show = Show(list(SCRIPTS.values()), 10, 1)
    show.runs.extend(runs)
    return summarize(show, MockBroker(), [WorkerReport("worker-0", 5, 0)], 1, problems)
