"""What the commands of `sluice lexicon` have in common: the lexicon that is named, and their options."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from sluice import shipped
from sluice.errors import LexiconError
from sluice.lexicon.bundle import survey_lexicon
from sluice.lexicon.files import Content, Reading
from sluice.lexicon.problem import Problem, raise_for
from sluice.lexicon.term import Term
from sluice.text.visible import visible

__all__ = [
    "EXIT_NOT_MET",
    "as_day",
    "json_option",
    "path_argument",
    "printable",
    "read",
    "refuse",
    "survey",
    "term_record",
    "today_option",
]

EXIT_NOT_MET = 3
"""The command worked, and the answer is no. 1 is bad input."""

path_argument = click.argument("path", required=False, type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="As JSON.")
today_option = click.option(
    "--today", metavar="DATE", type=click.DateTime(["%Y-%m-%d"]), help="The day to count from. Default: today."
)


def as_day(given: datetime | None) -> date:
    """The day that `today_option` names."""
    return date.today() if given is None else given.date()


def survey(path: Path | None) -> tuple[str, Reading]:
    """What is called so, and all that can be read of it.

    Raises:
        LexiconError: it is a bundle, and not a good one.
    """
    path = shipped.lexicon_directory() if path is None else path
    try:
        return visible(str(path)), survey_lexicon(path)
    except LexiconError as error:
        raise printable(error) from None


def read(path: Path | None) -> tuple[str, Content]:
    """What is called so, and its content.

    Raises:
        LexiconError: names every file and line that is wrong (the first 50).
    """
    name, reading = survey(path)
    refuse(reading.problems)
    return name, reading.content


def refuse(problems: Iterable[Problem]) -> None:
    """Refuse what has errors.

    Raises:
        LexiconError: names every error (the first 50).
    """
    try:
        raise_for(problems)
    except LexiconError as error:
        raise printable(error) from None


def printable(error: LexiconError) -> LexiconError:
    """The same, fit for a terminal: names of files are written by others too."""
    return LexiconError("\n".join(map(visible, str(error).split("\n"))))


def term_record(term: Term) -> dict[str, Any]:
    """A term as JSON has it."""
    return {
        "term": term.text,
        "risk": term.risk,
        "folded": term.folded,
        "rule": term.rule,
        "severity": term.severity,
        "category": term.category,
        "word": term.word,
        "boundary": term.boundary,
        "allow": list(term.allow),
        "channels": None if term.channels is None else list(term.channels),
        "attribute": term.attribute,
        "hint": term.hint,
        "note": term.note,
        "source": term.source,
        "added": None if term.added is None else term.added.isoformat(),
        "reviewer": term.reviewer,
        "expires": None if term.expires is None else term.expires.isoformat(),
    }
