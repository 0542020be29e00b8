"""`sluice lexicon list`: every term."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
from rich.cells import cell_len

from sluice.cli.lexicon.given import path_argument, read, term_record
from sluice.cli.terminal import print_json
from sluice.errors import InputError
from sluice.lexicon.term import Term
from sluice.risks import GROUPS, RISKS, suggest
from sluice.text.visible import visible

__all__ = ["list_command"]

_TERM_CELLS = 24
"""Columns of a terminal that a term takes; a longer one pushes what follows it."""


@click.command("list", short_help="List the terms.")
@path_argument
@click.option("--risk", metavar="ID", help="Only this risk, or this group of risks.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a term.")
def list_command(path: Path | None, risk: str | None, as_json: bool) -> None:
    """List the terms of the lexicon at PATH: risk, severity, category, term, and what is special about it."""
    if risk is not None and risk not in RISKS and risk not in GROUPS:
        raise InputError(f"unknown risk id {risk!a:.60}{suggest(risk)}")
    _, content = read(path)
    terms = [t for t in content.terms if risk is None or risk in (t.risk, RISKS[t.risk].group)]
    width = max((cell_len(visible(term.category)) for term in terms), default=0)
    for term in terms:
        if as_json:
            print_json(term_record(term))
            continue
        category, text = visible(term.category), visible(term.text)
        line = f"{term.risk}  {term.severity}  {_padded(category, width)}  {_padded(text, _TERM_CELLS)}  "
        click.echo(f"{line}{visible(', '.join(_special(term)))}".rstrip())


def _padded(text: str, cells: int) -> str:
    return text + " " * (cells - cell_len(text))


def _special(term: Term) -> Iterator[str]:
    if term.word:
        yield "word"
    if term.boundary:
        yield f"boundary {term.boundary}"
    if term.allow:
        yield f"{len(term.allow)} allowed"
    if term.channels is not None:
        yield "|".join(term.channels)
    if term.expires is not None:
        yield f"until {term.expires}"
