"""What the demo found out, and whether it is what was expected."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from sluice.contract.decision import Versions
from sluice.demo.measure import Percentiles, percentiles
from sluice.demo.show import Show
from sluice.demo.stage import WorkerReport
from sluice.demo.stream import StreamRun
from sluice.errors import InputError
from sluice.local import Broker

__all__ = ["Decisions", "Summary", "problem_of", "summarize", "write"]


class Decisions(msgspec.Struct, frozen=True):
    """Decisions that the workers wrote, each counted once."""

    by_kind: dict[str, int]
    """Releases (one a frame), flags, and orders by their kind."""
    by_risk: dict[str, int]
    """Stops and flags, by risk id."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The file `build/demo.json`."""

    streams: int
    streams_at_once: int
    deltas: int
    characters: int
    """That were generated."""
    stops_expected: int
    """Streams that must be stopped, by their scripts."""
    stops_carried_out: int
    """Those of them whose decoder and gate stopped for the expected risk, found by the expected detector."""
    clean_stopped: int
    """Streams that were stopped and should not have been."""
    leaked_characters: int
    """Characters that readers have at or after the beginning of a violation, counted by the scripts."""
    tokens_after_order: int
    """Tokens decoded after the order had come, in all: the step that was under way is not broken off."""
    held_characters_mean: float
    """Characters that a gate holds back after a delta was fed, mean over all that was fed."""
    publish_to_decision_ms: Percentiles
    """By frame: from its `sent_at`, when it is handed to the Kafka client, until its release record was read in the
    producer's process. That record is written once everything in the frame was looked at; text whose sentence goes on
    is released by a later one."""
    publish_to_stop_ms: Percentiles
    """By stop: from handing the delta that completes the violation to the publisher, until the decoder and the gate
    had both stopped. It holds the publisher's linger and the rest of the decoding step that was under way."""
    decisions: Decisions
    versions: Versions
    broker: str
    durable: bool
    """Whether the broker keeps its records over a restart."""
    duration_s: float
    """From the first stream's beginning to the last one's end."""
    seed: int
    workers: list[WorkerReport]
    problems: list[str]
    """What was not as expected; empty for a good run."""


def summarize(
    show: Show, broker: Broker, workers: Sequence[WorkerReport], seed: int, problems: Sequence[str] = ()
) -> Summary:
    """Judge a show that is over; `problems` are those already known."""
    runs = show.runs
    meter = show.meter
    expected = [run for run in runs if run.script.expect is not None]
    found = [problem for run in runs if (problem := problem_of(run))]
    fed = [run for run in runs if run.deltas]
    return Summary(
        streams=len(runs),
        streams_at_once=show.at_once,
        deltas=sum(run.deltas for run in runs),
        characters=sum(run.characters for run in runs),
        stops_expected=len(expected),
        stops_carried_out=sum(_stopped_as_expected(run) for run in expected),
        clean_stopped=sum(run.script.expect is None and run.order is not None for run in runs),
        leaked_characters=sum(run.leaked for run in runs),
        tokens_after_order=sum(run.tokens_after for run in runs),
        held_characters_mean=round(
            sum(run.held_mean * run.deltas for run in fed) / max(1, sum(run.deltas for run in fed)), 2
        ),
        publish_to_decision_ms=percentiles(meter.decision_ms),
        publish_to_stop_ms=percentiles([run.stop_ms for run in runs if run.stop_ms is not None]),
        decisions=Decisions(dict(sorted(meter.kinds.items())), dict(sorted(meter.risks.items()))),
        versions=meter.versions,
        broker=broker.name,
        durable=broker.durable,
        duration_s=round(show.elapsed, 2),
        seed=seed,
        workers=list(workers),
        problems=[*problems, *found],
    )


def problem_of(run: StreamRun) -> str | None:
    """What is not as the script says, in words; None when all is well."""
    script, order = run.script, run.order
    expect = script.expect
    problem = None
    if run.state == "unsettled":
        problem = "was not decided in time"
    elif run.state == "streaming":
        problem = "was broken off"
    elif run.leaked:
        problem = f"{run.leaked} characters of the violation reached the reader"
    elif expect is None and order is not None:
        problem = f"is clean and was stopped: {_reason(run)}"
    elif expect is None:
        whole = all(run.shown[channel] == text for channel, text in script.channels)
        problem = None if whole else "was released, but the reader has not all of it"
    elif order is None:
        problem = f"should have been stopped for {expect.risk}, and was released"
    elif not _stopped_as_expected(run):
        problem = f"should have been stopped for {expect.risk} by the {expect.source}; it was: {_reason(run)}"
    elif expect.support and not run.supported:
        problem = "the order to give a crisis answer did not come"
    return None if problem is None else f"{run.id}: {problem}"


def _stopped_as_expected(run: StreamRun) -> bool:
    expect, order = run.script.expect, run.order
    if expect is None or order is None or order.finding is None or run.carried_out_at is None:
        return False
    finding = order.finding
    return (finding.risk, finding.source, finding.attribute) == (expect.risk, expect.source, expect.attribute)


def _reason(run: StreamRun) -> str:
    order = run.order
    if order is None or order.finding is None:
        return "no order" if order is None else f"{order.outcome}, {order.reason}"
    finding = order.finding
    return f"{finding.risk} by the {finding.source} ({finding.rule}), characters {finding.start} to {finding.end}"


def write(summary: Summary, path: Path) -> None:
    """Write it as JSON; a reader sees the old file or the new one, never a part.

    Raises:
        InputError: it cannot be written there.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_bytes(msgspec.json.format(msgspec.json.encode(summary)) + b"\n")
        scratch.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            scratch.unlink()
        raise InputError(f"{path}: {error.strerror}") from error
