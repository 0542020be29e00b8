"""The last lines of the demo: what happened, in words."""

from __future__ import annotations

from pathlib import Path

from rich.text import Text

from sluice.demo.measure import Percentiles
from sluice.demo.summary import Summary

__all__ = ["closing"]

_LABEL = 22
_PROBLEMS = 20


def closing(summary: Summary, path: Path) -> list[Text]:
    """The summary for people; `path` is where all of it was written."""
    good = not summary.problems
    lines = [
        Text(""),
        Text(
            f"{summary.streams} answers, {summary.streams_at_once} at once: {summary.deltas:,} deltas"
            f" in {summary.duration_s:.1f} s on {summary.broker}",
            style="bold",
        ),
        _line("stops carried out", f"{summary.stops_carried_out} of {summary.stops_expected}"),
        _line("clean answers stopped", f"{summary.clean_stopped}"),
        _line("leaked characters", f"{summary.leaked_characters}, counted from where the violation begins"),
        _line("publish to decision", _milliseconds(summary.publish_to_decision_ms)),
        _line("publish to stop", _milliseconds(summary.publish_to_stop_ms)),
        _line("tokens after the order", f"{summary.tokens_after_order}"),
        _line("characters held back", f"{summary.held_characters_mean:.1f} in the mean"),
        _line("decisions", _counts(summary.decisions.by_kind)),
        _line("found by risk", _counts(summary.decisions.by_risk)),
        _line("workers", ", ".join(f"{worker.slot} {worker.deltas:,} deltas" for worker in summary.workers)),
        _line("all of it", str(path)),
    ]
    if good:
        return [*lines, Text("Every expected stop happened, and nothing else was stopped.", style="bold green")]
    lines += [Text(f"  {problem}", style="red") for problem in summary.problems[:_PROBLEMS]]
    more = len(summary.problems) - _PROBLEMS
    if more > 0:
        lines.append(Text(f"  and {more} more", style="red"))
    return [*lines, Text(f"FAILED: {len(summary.problems)} not as expected", style="bold red")]


def _line(label: str, value: str) -> Text:
    return Text(f"  {label:<{_LABEL}} ").append(value, style="bold")


def _milliseconds(found: Percentiles) -> str:
    if found.p50 is None or found.p99 is None:
        return "not measured"
    return f"p50 {found.p50:.1f} ms, p99 {found.p99:.1f} ms"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"
