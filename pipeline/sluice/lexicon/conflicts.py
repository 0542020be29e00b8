"""What a lexicon may say and probably does not mean: terms that collide, can never match, or match ordinary text."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from sluice.lexicon.everyday import english_word_around, is_everyday
from sluice.lexicon.files import Place, Reading
from sluice.lexicon.problem import Level, Problem
from sluice.lexicon.term import Term
from sluice.risks import RISKS
from sluice.text.fold import fold_text

__all__ = ["SOON_DAYS", "find_conflicts"]

SOON_DAYS = 7
"""A term that expires within so many days is told beforehand."""

_SHORT_LATIN = 4
"""Letters up to which a Latin term stands inside too many words: sm in small, meth in method."""

_Finding = tuple[Level, str]
"""What is to be said behind the term."""


def find_conflicts(reading: Reading, today: date) -> list[Problem]:
    """All that is allowed in a lexicon and probably not meant, in the order of its files and lines.

    `today` says what has expired.
    """
    collisions = _Collisions(reading)
    found = [
        Problem(level, place.file, place.line, f"{_clip(term.text)!r} {message}")
        for term, place in zip(reading.content.terms, reading.terms, strict=True)
        for level, message in (*collisions.of(term, place), *_matching(term), *_dates(term, today))
    ]
    return sorted(found, key=lambda problem: (problem.file, problem.line))


class _Collisions:
    """Terms against one another and against the harmless texts."""

    def __init__(self, reading: Reading) -> None:
        self._same: dict[str, list[tuple[Term, Place]]] = {}
        for term, place in zip(reading.content.terms, reading.terms, strict=True):
            self._same.setdefault(term.folded, []).append((term, place))
        lengths = sorted({len(folded) for folded in self._same})
        self._harmless: dict[str, tuple[str, Place]] = {}
        for text, place in zip(reading.content.harmless, reading.harmless, strict=True):
            folded = fold_text(text)
            for length in lengths:
                for at in range(len(folded) - length + 1):
                    part = folded[at : at + length]
                    if part in self._same and (part == folded or part not in self._harmless):
                        self._harmless[part] = (folded, place)

    def of(self, term: Term, place: Place) -> Iterator[_Finding]:
        folded = term.folded
        for other, where in self._same[folded]:
            if other is term:
                break  # each pair is told once, at the later of the two
            severity = "" if other.severity == term.severity else f", there with severity {other.severity}"
            level: Level = "error" if other.risk == term.risk else "warning"
            yield level, f"is also a term of {other.risk} ({_short(where, place)}){severity}"
        if folded in self._harmless:
            harmless, where = self._harmless[folded]
            if harmless == folded:
                yield "error", f"is a harmless text too ({_short(where, place)}), so it can never match as written"
            else:
                yield "note", f"is no hit inside the harmless text {_clip(harmless)!r} ({_short(where, place)})"


def _matching(term: Term) -> Iterator[_Finding]:
    """Where the term would be found, and whether anything comes of it."""
    folded = term.folded
    if folded != folded.strip():
        yield "warning", "begins or ends with a space after folding, so it is found only beside one"
    if not all(map(fold_text, term.text)):
        yield "warning", f"has marks or invisible characters, which are left out: it is looked for as {_clip(folded)!r}"
    if sum(not unicodedata.category(char).startswith(("P", "Z")) for char in folded) < 2:
        yield "warning", "is a single character and marks, which is too short for a term"
    edges = [char for char in (folded[0], folded[-1]) if not (char.isascii() and char.isalnum())]
    if term.word and edges:
        yield "warning", f"has `word` set, which means nothing beside {edges[0]!r}: only Latin letters and digits count"
    if folded.isascii() and folded.isalpha() and not term.word:
        around = english_word_around(folded)
        if around or len(folded) <= _SHORT_LATIN:
            yield "warning", f"is found inside {repr(around) if around else 'longer words'}; set `word` to 1"
    if term.severity >= 2 and is_everyday(folded):
        yield "warning", f"is an everyday word, and severity {term.severity} stops; make it longer, or the severity 1"
    if not RISKS[term.risk].decidable:
        yield "warning", f"is of {term.risk}, which no filter can decide; the shipped profiles act on no such finding"


def _dates(term: Term, today: date) -> Iterator[_Finding]:
    if term.added is not None and term.added > today + timedelta(days=1):  # its author's day may have begun earlier
        yield "warning", f"was added on {term.added}, a day to come"
    if term.expires is None:
        return
    days = (term.expires - today).days
    if days <= 0:
        yield "warning", f"has expired on {term.expires} and is not used"
    elif days <= SOON_DAYS:
        yield "note", f"expires on {term.expires}, in {days} day{'' if days == 1 else 's'}"


def _clip(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"


def _short(where: Place, beside: Place) -> str:
    """A place as it is told in a message that stands at another one."""
    if where.line == 0:
        return "same file"
    return f"line {where.line}" if where.file == beside.file else f"{Path(where.file).name}:{where.line}"
