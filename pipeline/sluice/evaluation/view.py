"""A report as sections of tables, for every form in which people read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from sluice.evaluation.report import Calibration, Example, Quantiles, Rate, Report, StreamReport, TargetReport
from sluice.evaluation.targets import ANY
from sluice.risks import GROUPS, RISKS
from sluice.text.visible import visible

__all__ = ["Section", "Table", "sections"]

_TEXT_SHOWN = 200
"""Characters of a text, where texts are shown."""
_NONE = "–"


class Table(msgspec.Struct, frozen=True):
    """Cells as people read them."""

    columns: list[str]
    rows: list[list[str]]
    left: int = 1
    """Columns from the left that hold words; the others hold numbers."""
    wide: tuple[int, ...] = ()
    """Columns that a summary leaves out."""
    title: str = ""


class Section(msgspec.Struct, frozen=True):
    """A heading and what stands below it."""

    key: str
    title: str
    notes: list[str]
    tables: list[Table]
    brief: bool = False
    """Whether it belongs to a summary, there with the first note alone."""
    level: int = 2
    """Of the heading."""


def sections(report: Report) -> Iterator[Section]:
    """All of a report, in reading order. A section that has plots is followed by them where its key says:
    `target-NAME`, `streams`. Whatever names and texts are made of, here it is on one line, and prints."""
    for section in _sections(report):
        notes = [visible(note) for note in section.notes]
        tables = [_visible(table) for table in section.tables]
        yield msgspec.structs.replace(section, title=visible(section.title), notes=notes, tables=tables)


def _visible(table: Table) -> Table:
    rows = [[visible(cell) for cell in row] for row in table.rows]
    columns = [visible(column) for column in table.columns]
    return msgspec.structs.replace(table, columns=columns, rows=rows, title=visible(table.title))


def _sections(report: Report) -> Iterator[Section]:
    yield _what(report)
    yield _by_detector(report.targets[0])
    if len(report.targets) > 1:
        yield _by_target(report)
    if report.streams is not None:
        yield _streams(report, report.streams)
    yield _confusion(report)
    if report.false_positives:
        yield _causes(report)
    for target in report.targets:
        yield _target(target)


def _what(report: Report) -> Section:
    file, versions = report.file, report.versions
    failed = f"{file.unscanned:,} texts passed in part or whole: the model failed"
    unscanned = [["unscanned", failed]] if file.unscanned else []
    rows = [
        ["file", file.name],
        ["SHA-256", file.sha256],
        ["rows", f"{file.rows:,} read, {file.evaluated:,} evaluated, {file.ignored:,} ignored, {file.bad:,} bad"],
        *unscanned,
        ["profile", report.settings.profile],
        ["detectors", ", ".join(report.settings.detectors)],
    ]
    rows += [[name, getattr(versions, name)] for name in ("lexicon", "model", "policy") if getattr(versions, name)]
    rows.append(["Sluice", report.sluice])
    return Section("what", "What was evaluated", [], [Table(["", ""], rows, left=2)], brief=True)


def _by_detector(target: TargetReport) -> Section:
    note = (
        f"Any harm: {target.harmful:,} harmful and {target.clean:,} clean texts. Found is what the profile flags or "
        "stops (flag), or stops (stop). FPR: false positive rate, the share of the clean that is found."
    )
    columns = ["detector", "at", "precision %", "recall %", "95 %", "F1", "FPR %", "95 %", "accuracy %", "macro-F1"]
    rows = [
        [
            part,
            at,
            _percent(level.precision),
            _percent(level.recall.share),
            _bounds(level.recall),
            _number(level.f1),
            _percent(level.fpr.share, 2),
            _bounds(level.fpr, 2),
            _percent(level.accuracy),
            _number(level.macro_f1),
            _number(found.auroc),
            _number(found.average_precision),
        ]
        for part, found in target.detectors.items()
        for at, level in (("flag", found.flag), ("stop", found.stop))
    ]
    table = Table([*columns, "AUROC", "average precision"], rows, left=2, wide=(4, 7, 11))
    return Section("detectors", "Whole texts, by detector", [note], [table], brief=True)


def _by_target(report: Report) -> Section:
    part = list(report.targets[0].detectors)[-1]
    measures = ("recall %", "precision %", "F1", "FPR %")
    columns = ["target", "risk", "harmful", "clean", "AUROC"]
    columns += [f"{at}: {measure}" for at in ("flag", "stop") for measure in measures]
    rows = []
    for target in report.targets[1:]:
        found = target.detectors[part]
        row = [target.name, target.risk, f"{target.harmful:,}", f"{target.clean:,}", _number(found.auroc)]
        for level in (found.flag, found.stop):
            row += [_percent(level.recall.share), _percent(level.precision), _number(level.f1)]
            row.append(_percent(level.fpr.share, 2))
        rows.append(row)
    notes = [f"Detector: {part}."]
    if "classifier" in report.settings.detectors:
        notes[0] += " ECE (expected calibration error) and the Brier score are the classifier's own."
        columns += ["ECE", "Brier"]
        for row, target in zip(rows, report.targets[1:], strict=True):
            calibration = target.detectors["classifier"].calibration
            row.append(_number(calibration.error if calibration else None))
            row.append(_number(calibration.brier if calibration else None))
    table = Table(columns, rows, left=2, wide=(1, 6, 7))
    return Section("targets", "Whole texts, by target", notes, [table], brief=True)


def _streams(report: Report, streams: StreamReport) -> Section:
    cut = f"{streams.delta_chars} characters" if streams.cut == "even" else f"about {streams.delta_chars} characters"
    begin = "where the violation begins" if report.file.spans else "the beginning of the text"
    # The lexicon holds back what may become a term, whatever the release unit is.
    unit = f", release unit {streams.release_unit}" if "classifier" in report.settings.detectors else ""
    notes = [
        f"Every text in deltas of {cut} ({streams.cut}, seed {streams.seed}), {streams.characters_per_second:g} "
        f"characters a second; mode {streams.mode}{unit}.",
        "Seen: share of the text that was written before the first finding. Delay: characters written by then, from "
        f"{begin}. Shown: characters that a reader had seen at the stop. Leaked: stopped streams of whose violation a "
        "part was shown, and the longest part. Withdrawn: streams with a sentence that would have been acted on before "
        "it was whole, and passed in the end. Of three numbers, 50, 90 and 99 in 100 streams have at most the first, "
        "the second and the third.",
    ]
    columns = ["streams", "number", "acted on %", "stopped %", "seen %", "delay", "shown", "leaked", "withdrawn"]
    rows = [
        [
            group.name + (f" ({group.at_prompt} at the prompt)" if group.at_prompt else ""),
            f"{group.streams:,}",
            _percent(group.acted / group.streams if group.streams else None, 2),
            _percent(group.stopped / group.streams if group.streams else None, 2),
            _quantiles(group.seen_share, 100),
            _quantiles(group.delay),
            _quantiles(group.shown),
            f"{group.leaked:,}" + (f" (≤ {group.leaked_most})" if group.leaked else ""),
            f"{group.withdrawn:,}",
        ]
        for group in streams.groups
    ]
    return Section("streams", "Streams", notes, [Table(columns, rows)], brief=True)


def _confusion(report: Report) -> Section:
    said = {(cell.label, cell.found): cell.texts for cell in report.confusion}
    names = [target.name for target in report.targets[1:]]
    labels = [name for name in (*names, ANY, "clean") if any(cell.label == name for cell in report.confusion)]
    found = [name for name in ("nothing", *names, "other") if any(cell.found == name for cell in report.confusion)]
    rows = [[label, *(_count(said.get((label, name), 0)) for name in found)] for label in labels]
    note = "What a text is labelled (rows) and what was found in it: of all it was flagged for, the highest score."
    return Section("confusion", "Labelled and found", [note], [Table(["labelled", *found], rows)])


def _causes(report: Report) -> Section:
    rows = [[c.rule, c.source, f"{c.flagged:,}", f"{c.stopped:,}"] for c in report.false_positives]
    note = f"What acted on the {report.targets[0].clean:,} clean texts. A text counts once for each."
    table = Table(["term or head", "source", "flagged or stopped", "stopped"], rows, left=2)
    return Section("causes", "False positives", [note], [table])


def _target(target: TargetReport) -> Section:
    notes = [f"{target.harmful:,} harmful and {target.clean:,} clean texts."]
    if target.flag_at is not None or target.stop_at is not None:
        notes[0] += f" Flagged from {_at(target.flag_at)}, stopped from {_at(target.stop_at)}."
    levels = [
        [part, at, *(f"{n:,}" for n in (level.found, level.missed, level.alarms, level.passed))]
        for part, found in target.detectors.items()
        for at, level in (("flag", found.flag), ("stop", found.stop))
    ]
    tables = [Table(["detector", "at", "harmful found", "missed", "clean taken for harmful", "passed"], levels, left=2)]
    own = target.detectors.get("classifier")
    if own is not None and own.calibration is not None:
        tables.append(_calibration(own.calibration))
    for title, examples in (("harmful, missed", target.missed), ("clean, acted on", target.alarms)):
        if examples:
            tables.append(_examples(title, examples))
    return Section(f"target-{target.name}", _named(target), notes, tables, level=3)


def _calibration(calibration: Calibration) -> Table:
    rows = [
        [f"{b.low:.1f}–{b.high:.1f}", _count(b.texts), _number(b.score), _number(b.harmful)] for b in calibration.bins
    ]
    columns = ["score", "texts", "mean score", "share that is harmful"]
    return Table(columns, rows, title="Calibration of the classifier")


def _examples(title: str, examples: Sequence[Example]) -> Table:
    with_text = any(example.text for example in examples)
    columns = ["line", "hash", "found", *(["text"] if with_text else []), "score", "characters"]
    rows = [
        [
            str(example.line),
            example.hash,
            ", ".join(example.found) or _NONE,
            *([_one_line(example.text)] if with_text else []),
            _number(example.score),
            f"{example.characters:,}",
        ]
        for example in examples
    ]
    return Table(columns, rows, left=len(columns) - 2, title=f"Worst examples: {title}")


def _named(target: TargetReport) -> str:
    if not target.risk:
        return "any harm"
    known = RISKS.get(target.risk) or GROUPS.get(target.risk)
    name = known.en if known is not None else ""
    return f"{target.name} ({name})" if target.name == target.risk else f"{target.name} ({target.risk})"


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _TEXT_SHOWN else f"{text[: _TEXT_SHOWN - 1]}…"


def _at(threshold: float | None) -> str:
    return "no score" if threshold is None else f"{threshold:g}"


def _count(texts: int) -> str:
    return f"{texts:,}" if texts else "·"


def _number(value: float | None) -> str:
    return _NONE if value is None else f"{value:.3f}"


def _percent(value: float | None, digits: int = 1) -> str:
    return _NONE if value is None else f"{100 * value:.{digits}f}"


def _bounds(rate: Rate, digits: int = 1) -> str:
    return _NONE if rate.share is None else f"{_percent(rate.low, digits)}–{_percent(rate.high, digits)}"


def _quantiles(values: Quantiles | None, times: int = 1) -> str:
    if values is None:
        return _NONE
    return "/".join(f"{times * value:.0f}" for value in (values.p50, values.p90, values.p99))
