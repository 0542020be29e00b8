"""Plots of a report as SVG. The only module that needs matplotlib, which the extra `eval` brings."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html import escape
from typing import Any, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sluice.evaluation.report import DetectorReport, Report, StreamReport, TargetReport
from sluice.evaluation.scores import Bin
from sluice.text.visible import visible

__all__ = ["plots"]

_COLOURS = {"lexicon": "#d55e00", "classifier": "#0072b2", "together": "#222222"}
"""Told apart by colour-blind people too (Okabe and Ito)."""
_DASHES = {"lexicon": ":", "classifier": "-", "together": "--"}
_HARMFUL, _CLEAN = "#0072b2", "#d55e00"

_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "sluice",  # the same report gives the same file
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e5e7eb",
    "axes.axisbelow": True,
}
_NO_ID = re.compile(r"[^\w.-]")
_REFERENCE = re.compile(r'(\bid="|url\(#|href="#)')


def plots(report: Report) -> dict[str, str]:
    """SVG by the key of the section that it belongs to; targets of which there is nothing to draw have none."""
    with matplotlib.rc_context(_SETTINGS):
        drawn = {f"target-{target.name}": _target(target) for target in report.targets if target.harmful}
        if report.streams is not None and any(group.acted for group in report.streams.groups):
            drawn["streams"] = _streams(report.streams)
    return drawn


def _target(target: TargetReport) -> str:
    figure = Figure(figsize=(10.5, 3.3))
    # Fixed, as the labels are: to have the margins worked out takes as long as the drawing.
    figure.subplots_adjust(left=0.05, right=0.99, bottom=0.15, top=0.91, wspace=0.22)
    roc, precision, reliability = figure.subplots(1, 3)
    for part, found in target.detectors.items():
        style: dict[str, Any] = {"color": _COLOURS[part], "linestyle": _DASHES[part], "linewidth": 1.6}
        auroc = "" if found.auroc is None else f" {found.auroc:.3f}"
        roc.plot([p.x for p in found.roc], [p.y for p in found.roc], label=f"{part}{auroc}", **style)
        curve = found.precision_recall
        average = "" if found.average_precision is None else f" {found.average_precision:.3f}"
        # As the average counts it: between two recalls the precision is that of the higher one.
        precision.plot(
            [p.x for p in curve], [p.y for p in curve], drawstyle="steps-pre", label=f"{part}{average}", **style
        )
        _thresholds(roc, precision, part, found)
    if target.clean:
        roc.plot([0, 1], [0, 1], color="#9ca3af", linewidth=0.8)
    _axes(roc, "ROC (area)", "clean taken for harmful", "harmful found", "lower right")
    _axes(precision, "Precision and recall (average)", "recall", "precision", "lower left")
    own = target.detectors.get("classifier")
    if own is not None and own.calibration is not None:
        _reliability(reliability, own.calibration.bins)
    else:
        reliability.set_axis_off()
    return _svg(figure, f"target-{target.name}", f"ROC, precision and recall, and reliability of {target.name}")


def _thresholds(roc: Axes, precision: Axes, part: str, found: DetectorReport) -> None:
    """Where the profile stands on the curves."""
    for level, mark in ((found.flag, "o"), (found.stop, "s")):
        style: dict[str, Any] = {"color": _COLOURS[part], "marker": mark, "markersize": 5, "linestyle": "none"}
        if level.recall.share is not None and level.fpr.share is not None:
            roc.plot([level.fpr.share], [level.recall.share], **style)
        if level.recall.share is not None and level.precision is not None:
            precision.plot([level.recall.share], [level.precision], **style)


def _reliability(axes: Axes, bins: Sequence[Bin]) -> None:
    points = [(b.score, b.harmful, b.texts) for b in bins if b.score is not None and b.harmful is not None]
    scores, shares, texts = zip(*points, strict=True)
    axes.plot([0, 1], [0, 1], color="#9ca3af", linewidth=0.8)
    axes.plot(scores, shares, color=_HARMFUL, linewidth=1)
    axes.scatter(scores, shares, s=[12 + 100 * n / max(texts) for n in texts], color=_HARMFUL, alpha=0.7)
    _axes(axes, "Reliability of the classifier", "mean score (size: texts)", "share that is harmful", None)


def _axes(axes: Axes, title: str, x: str, y: str, legend: Literal["lower left", "lower right"] | None) -> None:
    axes.set(title=title, xlabel=x, ylabel=y, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.title.set_fontsize(10)
    if legend is not None:
        axes.legend(loc=legend, frameon=False, fontsize=8)


def _streams(streams: StreamReport) -> str:
    figure = Figure(figsize=(10.5, 2.9))
    figure.subplots_adjust(left=0.05, right=0.99, bottom=0.29, top=0.9, wspace=0.12)
    seen, delay = figure.subplots(1, 2)
    edges = streams.delay_edges
    names = ["0", *(f"≤ {edge:,}" for edge in edges[1:]), f"> {edges[-1]:,}"]
    groups = [(streams.groups[0], _HARMFUL, -0.2), (streams.groups[1], _CLEAN, 0.2)]
    for group, colour, shift in groups:
        if not group.acted:
            continue
        width = 1 / len(group.seen_bins)
        places = [(n + 0.5 + shift) * width for n in range(len(group.seen_bins))]
        seen.bar(places, [n / group.acted for n in group.seen_bins], 0.4 * width, color=colour)
        places = [n + shift for n in range(len(names))]
        label = f"{group.name} ({group.acted:,} acted on)"
        delay.bar(places, [n / group.acted for n in group.delay_bins], 0.4, color=colour, label=label)
    seen.set(title="Seen before the first finding", xlabel="share of the text", ylabel="share of streams", xlim=(0, 1))
    delay.set(title="Delay of the first finding", xlabel="characters")
    delay.set_xticks(range(len(names)), names, rotation=45, ha="right")
    delay.legend(frameon=False, fontsize=8)
    for axes in (seen, delay):
        axes.title.set_fontsize(10)
        axes.grid(axis="x", visible=False)
    return _svg(figure, "streams", "Share of the text seen before the first finding, and delay in characters")


def _svg(figure: Figure, key: str, description: str) -> str:
    """A figure as an element for HTML, whose ids are its own."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    own = _NO_ID.sub("-", key)
    text = _REFERENCE.sub(rf"\g<1>{own}-", text[text.index("<svg") :])
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(visible(description))}"', 1)
