"""`sluice lexicon stats`: how many terms of which kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click
import msgspec
from rich.columns import Columns
from rich.table import Table
from rich.text import Text

from sluice.cli.lexicon.given import json_option, path_argument, read
from sluice.cli.terminal import console, print_json
from sluice.lexicon.stats import Statistics, statistics
from sluice.text.visible import visible

__all__ = ["stats_command"]

_LENGTHS = ((2, 2), (3, 3), (4, 4), (5, 6), (7, 9), (10, 15), (16, 64))
"""Of terms, as they are shown together."""


@click.command("stats", short_help="Count the terms by kind.")
@path_argument
@json_option
def stats_command(path: Path | None, as_json: bool) -> None:
    """Count the terms of the lexicon at PATH by risk, severity, category, length and script."""
    name, content = read(path)
    counted = statistics(content)
    if as_json:
        print_json({"lexicon": name, **msgspec.to_builtins(counted, str_keys=True)})
    else:
        _show(name, counted)


def _show(name: str, counted: Statistics) -> None:
    screen = console()
    newest = "" if counted.newest is None else f", the newest of {counted.newest}"
    harmless = f", {counted.harmless} harmless texts" if counted.harmless else ""
    called = f" ({visible(counted.name)})" if counted.name else ""
    screen.print(Text(f"{name}{called}, version {counted.version}"), soft_wrap=True)
    screen.print(Text(f"{counted.terms} terms{newest}{harmless}"), soft_wrap=True)
    lengths = {
        f"{low}" if low == high else f"{low}–{high}": sum(n for x, n in counted.lengths.items() if low <= x <= high)
        for low, high in _LENGTHS
    }
    tables = (
        _table("risk", counted.risks),
        _table("category", counted.categories),
        _table("length", lengths),
        _table("severity", counted.severities),
        _table("script", counted.scripts),
        _table("forms", counted.forms),
    )
    screen.print(Columns(tables, padding=(1, 3)))


def _table(heading: str, counts: Mapping[str, int] | Mapping[int, int]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(heading, overflow="fold")
    table.add_column("" if heading == "forms" else "terms", justify="right")
    for key, count in counts.items():
        if count:
            table.add_row(Text(visible(f"{key}")), f"{count}")
    return table
