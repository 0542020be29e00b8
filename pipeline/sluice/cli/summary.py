"""The summary of an evaluation on a terminal, whatever its width."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as Shown
from rich.text import Text

if TYPE_CHECKING:
    from sluice.evaluation.report import Report
    from sluice.evaluation.view import Table

__all__ = ["print_summary"]

_GAP = 2
"""Columns between two cells."""
_WORDS = 24
"""Columns of words that are kept together; a longer name goes on in the next line."""


def print_summary(report: Report, screen: Console) -> None:
    """Print the sections that belong to a summary. A table that is too wide goes on below, and no word is broken for
    want of room."""
    from sluice.evaluation.view import sections

    for section in sections(report):
        if not section.brief:
            continue
        screen.print(Text(f"\n{section.title}", style="bold"))
        for note in section.notes[:1]:
            screen.print(Text(note, style="dim"))
        for table in section.tables:
            for number, widths in enumerate(_parts(table, screen.width)):
                if number:
                    screen.print()
                screen.print(_shown(table, widths))


def _parts(table: Table, width: int) -> Iterator[dict[int, int]]:
    """Columns to print beside one another, by their widths: those of words each time, and as many of numbers as there
    is room for."""
    kept = [place for place in range(len(table.columns)) if place not in table.wide]
    words = [place for place in kept if place < table.left]
    part = list(words)
    for place in kept[len(words) :]:
        if len(part) > len(words) and sum(_narrowest(table, one) + _GAP for one in (*part, place)) > width:
            yield _widths(table, part, width)
            part = list(words)
        part.append(place)
    yield _widths(table, part, width)


def _widths(table: Table, places: Sequence[int], width: int) -> dict[int, int]:
    """What each column needs; what is left over goes to the first that can use it."""
    widths = {place: _narrowest(table, place) for place in places}
    spare = width - sum(needed + _GAP for needed in widths.values())
    for place in places:
        natural = max(map(cell_len, (table.columns[place], *(row[place] for row in table.rows))))
        more = max(0, min(natural - widths[place], spare))
        widths[place] += more
        spare -= more
    return widths


def _narrowest(table: Table, place: int) -> int:
    """Columns of the terminal without which a word or a number would be broken."""
    heading = max(map(cell_len, table.columns[place].split()), default=0)
    cells = max((cell_len(row[place]) for row in table.rows), default=0)
    return max(heading, cells if place >= table.left else min(cells, _WORDS))


def _shown(table: Table, widths: Mapping[int, int]) -> Shown:
    shown = Shown(box=None, padding=(0, _GAP, 0, 0), show_header=any(table.columns))
    for place, width in widths.items():
        side: Literal["right", "left"] = "right" if place >= table.left else "left"
        shown.add_column(table.columns[place], justify=side, overflow="fold", width=width)
    for row in table.rows:
        shown.add_row(*(Text(row[place], no_wrap=place >= table.left) for place in widths))
    return shown
