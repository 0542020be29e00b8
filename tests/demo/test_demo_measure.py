"""What the demo counts, and how it judges."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from demo_runs import CLEAN, CRISIS, DRUGS, VERSIONS, order, release, released, run_of, stopped, summary_of

from sluice.contract import Finding, Flag, FrameRef
from sluice.demo.measure import Meter, Percentiles, percentiles
from sluice.demo.stream import StreamRun
from sluice.demo.summary import Summary, problem_of, write
from sluice.errors import InputError


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentiles([]) == Percentiles(None, None)
    assert percentiles([7.0]) == Percentiles(7.0, 7.0)
    assert percentiles([float(n) for n in range(100, 0, -1)]) == Percentiles(50.0, 99.0)
    assert percentiles([1.0, 2.0]) == Percentiles(1.0, 2.0)


def test_the_meter_counts_a_decision_once_and_a_frame_once() -> None:
    meter = Meter()
    for _ in range(2):
        meter.tap(release(1, 100.0), 100.02)
        meter.tap(release(2, 0.0), 100.02)  # brought by time
        meter.tap(order("stop_generation"), 100.03)
        meter.tap(order("stop_transmission"), 100.03)
        finding = Finding("A.4.a", "lexicon", "r", 0.6, 0, 1)
        meter.tap(Flag(1, "f", "p", "s", "answer", "default", FrameRef(0, 1), VERSIONS, 1.0, 1.0, finding), 100.0)
    assert [round(ms) for ms in meter.decision_ms] == [20]
    assert meter.kinds["stop_generation"] == meter.kinds["stop_transmission"] == meter.kinds["flag"] == 1
    assert meter.risks == {"A.1.h": 1, "A.4.a": 1}
    assert meter.versions == VERSIONS


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (released(CLEAN), None),
        (stopped(DRUGS, order()), None),
        (stopped(CRISIS, order(risk="A.4.a"), supported=True), None),
        (stopped(CLEAN, order()), "is clean and was stopped: A.1.h by the lexicon"),
        (stopped(CLEAN, order(reason="deadline", outcome="blocked_unavailable", finding=None)), "blocked_unavailable"),
        (run_of(CLEAN, "released", shown={"answer": "红"}), "has not all of it"),
        (run_of(CLEAN, "unsettled"), "not decided in time"),
        (run_of(CLEAN, "streaming"), "broken off"),
        (released(DRUGS), "characters of the violation reached the reader"),
        (run_of(DRUGS, "released"), "should have been stopped for A.1.h, and was released"),
        (stopped(DRUGS, order(risk="A.1.f")), "it was: A.1.f"),
        (stopped(DRUGS, order(source="classifier")), "by the classifier"),
        (stopped(DRUGS, order(), shown=dict(DRUGS.channels)), "reached the reader"),
        (run_of(DRUGS, "stopped", order=order()), "should have been stopped"),  # the decoder went on
        (stopped(CRISIS, order(risk="A.4.a")), "crisis answer"),
    ],
)
def test_a_stream_is_judged_by_its_script(run: StreamRun, words: str | None) -> None:
    problem = problem_of(run)
    assert problem is None if words is None else problem is not None and words in problem


def test_leaks_are_counted_from_where_the_script_says() -> None:
    assert DRUGS.violation is not None
    text = dict(DRUGS.channels)["answer"]
    run = stopped(DRUGS, order(), shown={"answer": text[: DRUGS.violation.start + 3]})
    assert run.leaked == 3
    assert summary_of(run).leaked_characters == 3


def test_the_summary_counts_and_has_every_key(tmp_path: Path) -> None:
    found = summary_of(
        released(CLEAN), stopped(DRUGS, order(), tokens_after=2), stopped(CLEAN, order()), released(DRUGS)
    )
    assert (found.streams, found.stops_expected, found.stops_carried_out, found.clean_stopped) == (4, 2, 1, 1)
    assert found.tokens_after_order == 2
    assert found.publish_to_stop_ms == Percentiles(25.0, 25.0)
    assert len(found.problems) == 2
    path = tmp_path / "new" / "demo.json"
    write(found, path)
    assert [item.name for item in path.parent.iterdir()] == ["demo.json"]
    written = json.loads(path.read_text())
    assert set(written) >= {
        "streams",
        "deltas",
        "stops_expected",
        "stops_carried_out",
        "clean_stopped",
        "leaked_characters",
        "tokens_after_order",
        "held_characters_mean",
        "publish_to_decision_ms",
        "publish_to_stop_ms",
        "broker",
    }
    assert set(written["publish_to_stop_ms"]) == {"p50", "p99"}
    assert written["durable"] is False
    assert msgspec.convert(written, Summary) == found


def test_a_summary_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file"):
        write(summary_of(released(CLEAN)), tmp_path / "file" / "demo.json")
    (tmp_path / "demo.json").mkdir()
    with pytest.raises(InputError, match=r"demo\.json"):
        write(summary_of(released(CLEAN)), tmp_path / "demo.json")
    assert {path.name for path in tmp_path.iterdir()} == {"file", "demo.json"}


def test_known_problems_come_first() -> None:
    assert summary_of(released(CLEAN), problems=("the streams did not end in time",)).problems == [
        "the streams did not end in time"
    ]
