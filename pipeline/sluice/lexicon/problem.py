"""What is wrong with a lexicon, or worth knowing about it, with its place."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from sluice.errors import LexiconError

__all__ = ["Level", "Problem", "raise_for", "shown"]

Level = Literal["error", "warning", "note"]
"""An error refuses the lexicon; a warning is probably not meant; a note is good to know."""

_SHOWN = 50


class Problem(msgspec.Struct, frozen=True):
    """One finding about a lexicon's files."""

    level: Level
    file: str
    line: int
    """Counted from 1; 0 where it is about the file as a whole."""
    message: str

    def describe(self) -> str:
        """One line for people, in the form that editors and CI systems turn into a link."""
        return f"{self.file}:{self.line}: {self.message}" if self.line else f"{self.file}: {self.message}"


def shown(path: Path) -> str:
    """A path on one line: whoever names a file does not write the messages about it."""
    name = str(path)
    return name if name.isprintable() else ascii(name)[1:-1]


def raise_for(problems: Iterable[Problem]) -> None:
    """Refuse what has errors.

    Raises:
        LexiconError: names every error, one to a line of the message (the first 50).
    """
    errors = [problem.describe() for problem in problems if problem.level == "error"]
    if errors:
        more = len(errors) - _SHOWN
        raise LexiconError("\n".join(errors[:_SHOWN]) + (f"\n… and {more} more" if more > 0 else ""))
