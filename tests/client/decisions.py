"""Decisions made by hand."""

from __future__ import annotations

from sluice.contract import Finding, Flag, FrameRef, Mark, Order, Release, Versions

HERE = FrameRef(0, 0)


def release(
    stream: str, offset: int, *, unscanned: bool = False, producer: str = "p1", channel: str = "answer", frame: int = 0
) -> Release:
    mark = Mark(stream, channel, offset)  # type: ignore[arg-type]
    return Release(
        v=1,
        producer=producer,
        frame=FrameRef(0, frame),
        marks=[] if unscanned else [mark],
        versions=Versions(),
        sent_at=0.0,
        decided_at=0.0,
        unscanned=[mark] if unscanned else [],
    )


def order(
    stream: str,
    kind: str = "stop_transmission",
    start: int | None = None,
    *,
    producer: str = "p1",
    channel: str = "answer",
) -> Order:
    return Order(
        v=1,
        id=f"{stream}-{kind}-{start}",
        order=kind,  # type: ignore[arg-type]
        producer=producer,
        stream=stream,
        channel=channel,  # type: ignore[arg-type]
        profile="default",
        outcome="blocked",
        reason="finding" if start is not None else "gap",
        watermark=0,
        frame=HERE,
        versions=Versions(),
        sent_at=0.0,
        decided_at=0.0,
        finding=None if start is None else _finding(start),
    )


def flag(stream: str) -> Flag:
    return Flag(
        v=1,
        id=f"{stream}-flag",
        producer="p1",
        stream=stream,
        channel="answer",
        profile="default",
        finding=_finding(0),
        frame=HERE,
        versions=Versions(),
        sent_at=0.0,
        decided_at=0.0,
    )


def _finding(start: int) -> Finding:
    return Finding("A.1.h", "lexicon", "rule", 1.0, start, start + 2)
