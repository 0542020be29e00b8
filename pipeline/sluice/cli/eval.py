"""`sluice eval`: how good the detectors are on a labelled file."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from sluice.cli.options import Given, Number, deciding_options, hash_key
from sluice.errors import InputError
from sluice.policy.profile import DetectorName
from sluice.text.visible import escape_json, visible

if TYPE_CHECKING:
    from sluice.evaluation.mapping import Columns
    from sluice.evaluation.report import Report

__all__ = ["eval"]

_EXIT_NOT_MET = 3
_ERRORS_SHOWN = 20
_DETECTORS = get_args(DetectorName)
_FILES = ("report.json", "report.md", "report.html")
_MOST = 2**53 - 1
"""The largest whole number that every reader of JSON takes as it is."""


@click.command(short_help="Measure the detectors on a labelled file.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--mapping", cls=Given, type=click.Path(path_type=Path), help="YAML file that says what the columns are.")
@click.option("--text", cls=Given, metavar="COLUMN", help="Column of the text.  [default: text]")
@click.option("--label", cls=Given, metavar="COLUMN", help="Column of the label.  [default: label]")
@click.option(
    "--value",
    "values",
    metavar="VALUE=TARGET",
    multiple=True,
    help="What a label stands for: a head of the model, a risk id or group, any, clean or ignore. Repeatable.",
)
@click.option("--clean", is_flag=True, help="There are no labels: every text is clean.")
@click.option(
    "--prompt", cls=Given, metavar="COLUMN", help="Column of what the text answers; goes before it on a stream."
)
@click.option(
    "--span", cls=Given, metavar="START,END", help="Columns of where the violation begins and ends (one past)."
)
@click.option("--format", "kind", type=click.Choice(["csv", "tsv", "jsonl"]), help="Default: by the file's name.")
@click.option("--encoding", type=click.Choice(["utf-8", "gb18030"]), default="utf-8", show_default=True)
@deciding_options
@click.option("--detectors", default=",".join(_DETECTORS), show_default=True, help="Those to run.")
@click.option("--streams/--no-streams", default=True, show_default=True, help="Play every text as a stream too.")
@click.option("--delta-chars", type=click.IntRange(1, 1_000), default=5, show_default=True, help="Of a stream's delta.")
@click.option("--random-cuts", is_flag=True, help="Deltas of 1 to twice as many characters, by chance.")
@click.option("--seed", type=click.IntRange(0, _MOST), default=1, show_default=True, help="Of the chance.")
@click.option("--chars-per-second", type=Number(1, 100_000), default=75.0, show_default=True, help="Speed of a stream.")
@click.option("--limit", type=click.IntRange(1, _MOST), help="Rows to evaluate, from the first on. Default: all.")
@click.option(
    "--examples", type=click.IntRange(0, 1_000), default=10, show_default=True, help="Wrongly judged texts to list."
)
@click.option("--show-text", is_flag=True, help="Put their text into the report, beside the hash.")
@click.option(
    "--out", cls=Given, type=click.Path(path_type=Path, file_okay=False), help="Directory of report.json, .md, .html."
)
@click.option("--json", "as_json", is_flag=True, help="The report as JSON, instead of the summary for people.")
@click.option("--min-recall", type=Number(0, 1), help="Share of harmful texts that must be stopped.")
@click.option("--max-fpr", type=Number(0, 1), help="Share of clean texts that may be stopped.")
def eval(
    file: Path,
    mapping: Path | None,
    text: str | None,
    label: str | None,
    values: tuple[str, ...],
    clean: bool,
    prompt: str | None,
    span: str | None,
    kind: Any,
    encoding: str,
    profile: str,
    policy: Path | None,
    lexicon: Path | None,
    model: Path | None,
    detectors: str,
    streams: bool,
    delta_chars: int,
    random_cuts: bool,
    seed: int,
    chars_per_second: float,
    limit: int | None,
    examples: int,
    show_text: bool,
    out: Path | None,
    as_json: bool,
    min_recall: float | None,
    max_fpr: float | None,
) -> None:
    """Measure the detectors on FILE: CSV, TSV or JSON lines with a text and a label in each row.

    Every text is judged whole, and as a stream that comes in pieces. A row that cannot be read is named on standard
    error, the others are evaluated, and the exit code is 1. It is 3 when --min-recall or --max-fpr is not met.

    SLUICE_HASH_KEY in the environment is the secret of the hashes; without it they compare only within one report.
    """
    from sluice.cli.progress import FileProgress
    from sluice.evaluation.evaluator import Evaluator
    from sluice.evaluation.mapping import Labeller
    from sluice.evaluation.replay import Cutting
    from sluice.evaluation.rows import LabelledFile, kind_of
    from sluice.policy import Policy

    columns = _columns(mapping, text, label, values, clean, prompt, span)
    kind = kind or kind_of(file)
    evaluator = Evaluator(
        profile,
        policy=Policy.load(policy) if policy else None,
        lexicon=lexicon,
        model=model,
        detectors=_named(detectors),
        hash_key=hash_key(),
        cutting=Cutting(delta_chars, not random_cuts, seed, chars_per_second) if streams else None,
        examples=examples,
        show_text=show_text,
    )
    labeller = Labeller(columns.labels, evaluator.targets)
    errors = _Errors()
    if out is not None:
        _check_out(out, [path for path in (file, mapping, policy, lexicon) if path is not None])
    with FileProgress([str(file)], "evaluating") as progress:
        labelled = LabelledFile(
            file,
            columns,
            labeller,
            kind=kind,
            encoding=encoding,
            limit=limit,
            on_error=errors.tell,
            on_bytes=progress.advance,
        )
        report = evaluator.run(labelled, file.name, columns, labeller)
    errors.close()
    if out is not None:
        _write(report, out)
    if as_json:
        click.echo(_as_json(report, 0))
    else:
        from sluice.cli.summary import print_summary
        from sluice.cli.terminal import console

        print_summary(report, console())
    unmet = _unmet(report, min_recall, max_fpr)
    for one in unmet:
        click.echo(f"sluice: {one}", err=True)
    if report.file.bad:
        sys.exit(1)
    if unmet:
        sys.exit(_EXIT_NOT_MET)


def _columns(
    mapping: Path | None,
    text: str | None,
    label: str | None,
    values: tuple[str, ...],
    clean: bool,
    prompt: str | None,
    span: str | None,
) -> Columns:
    from sluice.evaluation.mapping import Columns, LabelColumn, load_columns, parse_values

    if mapping is not None:
        if text or label or values or clean or prompt or span:
            raise click.UsageError(
                "--mapping says it all; leave out --text, --label, --value, --clean, --prompt, --span"
            )
        return load_columns(mapping)
    if clean and (label or values):
        raise click.UsageError("--clean says that there are no labels; leave out --label and --value")
    ends = None
    if span is not None:
        start, comma, end = (part.strip() for part in span.partition(","))
        if not (start and comma and end):
            raise click.UsageError("--span needs two columns: START,END")
        ends = (start, end)
    return Columns(
        text=text or "text",
        labels=() if clean else (LabelColumn(label or "label", dict(parse_values(values))),),
        prompt=prompt,
        span=ends,
    )


def _named(detectors: str) -> tuple[DetectorName, ...]:
    names = {name.strip() for name in detectors.split(",")}
    unknown = names - set(_DETECTORS)
    if unknown:
        raise InputError(f"unknown detector {sorted(unknown)[0]!r:.60}; there are {' and '.join(_DETECTORS)}")
    return tuple(name for name in _DETECTORS if name in names)


class _Errors:
    """Tells the first bad rows, and counts the others."""

    def __init__(self) -> None:
        self._count = 0

    def tell(self, message: str) -> None:
        self._count += 1
        if self._count <= _ERRORS_SHOWN:
            click.echo(f"sluice: {visible(message)}", err=True)

    def close(self) -> None:
        if self._count > _ERRORS_SHOWN:
            click.echo(f"sluice: and {self._count - _ERRORS_SHOWN:,} more bad rows", err=True)


def _write(report: Report, out: Path) -> None:
    """The three files of a report.

    Raises:
        InputError: they cannot be written.
    """
    from sluice.evaluation.documents import to_html, to_markdown

    try:
        from sluice.evaluation.plots import plots
    except ModuleNotFoundError:
        click.echo(
            "sluice: no plots in report.html: matplotlib is not installed (in a checkout: pip install '.[eval]')",
            err=True,
        )
        drawn: dict[str, str] = {}
    else:
        drawn = plots(report)
    contents = (f"{_as_json(report, 1)}\n", to_markdown(report), to_html(report, drawn))
    with _told(out):
        for name, content in zip(_FILES, contents, strict=True):
            (out / name).write_text(content, encoding="utf-8", newline="\n")


def _check_out(out: Path, inputs: Sequence[Path]) -> None:
    """Make the directory, and see that the three files can be written and are none of those that are read: better
    before the run than behind it.

    Raises:
        InputError: they cannot, or one is.
    """
    with _told(out):
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    for path in (out / name for name in _FILES):
        with _told(path):
            if not path.exists():
                continue
            if not path.is_file():
                raise InputError(f"{visible(str(path))}: cannot be written: it is no ordinary file")
            for given in inputs:
                if given.exists() and given.samefile(path):
                    raise InputError(
                        f"{visible(str(path))}: is read, and the report would overwrite it; say another --out"
                    )
            path.open("r+b").close()


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{visible(str(path))}: cannot be written: {error.strerror or error}") from error


def _as_json(report: Report, indent: int) -> str:
    import msgspec

    data = msgspec.json.encode(report)
    return escape_json((msgspec.json.format(data, indent=indent) if indent else data).decode())


def _unmet(report: Report, min_recall: float | None, max_fpr: float | None) -> list[str]:
    """What was asked for and is not so. A share that cannot be told meets nothing."""
    stop = list(report.targets[0].detectors.values())[-1].stop
    found = []
    if min_recall is not None and (stop.recall.share is None or stop.recall.share < min_recall):
        found.append(
            f"of {stop.found + stop.missed:,} harmful texts {stop.found:,} are stopped; asked for: {min_recall:g}"
        )
    if max_fpr is not None and (stop.fpr.share is None or stop.fpr.share > max_fpr):
        found.append(f"of {stop.alarms + stop.passed:,} clean texts {stop.alarms:,} are stopped; allowed: {max_fpr:g}")
    return found
