"""Reads lexicon files: tab-separated, one term a line, one file a category.

Columns: `term risk severity word allow note added reviewer expires`; the first three must be there.
Contexts in `allow` are separated by `|`. A line that begins with `#` is a comment.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path

from sluice.errors import InputError, LexiconError
from sluice.lexicon.term import MAX_TERM_CHARS, SEVERITY_SCORES, Term
from sluice.risks import risk as find_risk
from sluice.text.fold import fold_text

__all__ = ["read_directory", "read_file"]

_REQUIRED = ("term", "risk", "severity")
_COLUMNS = (*_REQUIRED, "word", "allow", "note", "added", "reviewer", "expires")
_MAX_PROBLEMS = 50


def read_directory(directory: Path) -> list[Term]:
    """Read every `*.tsv` directly in a directory.

    Raises:
        LexiconError: names every file and line that is wrong (the first 50), or says that there is no file.
    """
    files = sorted(directory.glob("*.tsv"))
    if not files:
        raise LexiconError(f"{directory}: no lexicon file (*.tsv) here")
    terms: list[Term] = []
    problems: list[str] = []
    for file in files:
        found, wrong = _read(file)
        terms += found
        problems += wrong
    _raise_for(problems)
    return terms


def read_file(file: Path) -> list[Term]:
    """Read one file.

    Raises:
        LexiconError: names every line that is wrong (the first 50).
    """
    terms, problems = _read(file)
    _raise_for(problems)
    return terms


def _raise_for(problems: list[str]) -> None:
    if problems:
        more = len(problems) - _MAX_PROBLEMS
        raise LexiconError("\n".join(problems[:_MAX_PROBLEMS]) + (f"\n… and {more} more" if more > 0 else ""))


def _read(file: Path) -> tuple[list[Term], list[str]]:
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        return [], [f"{file}: {error.strerror}"]
    except UnicodeDecodeError as error:
        return [], [f"{file}: not UTF-8 at byte {error.start}"]
    header = lines[0].rstrip("\r").split("\t")
    wrong = [f"{file}:1: unknown column {c!r}" for c in header if c not in _COLUMNS]
    wrong += [f"{file}:1: column {c!r} is missing" for c in _REQUIRED if c not in header]
    if wrong:
        return [], wrong
    terms: list[Term] = []
    seen: dict[tuple[str, str], int] = {}
    for number, line in enumerate(lines[1:], start=2):
        line = line.rstrip("\r")
        if not line.strip() or line.startswith("#"):
            continue
        try:
            term = _term(dict(_cells(header, line)), file.stem)
            key = (term.folded, term.risk)
            if key in seen:
                raise LexiconError(f"the same term as line {seen[key]} after folding")
            seen[key] = number
            terms.append(term)
        except InputError as error:
            wrong.append(f"{file}:{number}: {error}")
    return terms, wrong


def _cells(header: list[str], line: str) -> Iterable[tuple[str, str]]:
    cells = line.split("\t")
    if len(cells) > len(header):
        raise LexiconError(f"{len(cells)} cells, the header has {len(header)}")
    return zip(header, (c.strip() for c in cells), strict=False)


def _term(row: dict[str, str], category: str) -> Term:
    text = row["term"]
    folded = fold_text(text)
    if not folded.strip():
        raise LexiconError("the term is empty after folding, so it can never match")
    if len(folded) < 2:
        raise LexiconError("a term needs at least two characters")
    if len(folded) > MAX_TERM_CHARS:
        raise LexiconError(f"the term has {len(folded)} characters, the limit is {MAX_TERM_CHARS}")
    severity = row.get("severity", "")
    if not severity.isdecimal() or int(severity) not in SEVERITY_SCORES:
        raise LexiconError(f"severity {severity!r} is not 1, 2 or 3")
    if row.get("word", "") not in ("", "0", "1"):
        raise LexiconError(f"word {row['word']!r} is not 0 or 1")
    allow = tuple(a.strip() for a in row.get("allow", "").split("|") if a.strip())
    for context in allow:
        if folded not in fold_text(context) or len(fold_text(context)) <= len(folded):
            raise LexiconError(f"allowed context {context!r} is not a longer text that contains the term")
        if len(fold_text(context)) > MAX_TERM_CHARS:
            raise LexiconError(f"allowed context {context!r} is longer than {MAX_TERM_CHARS} characters")
    return Term(
        text=text,
        risk=row.get("risk", ""),
        severity=int(severity),
        category=category,
        word=row.get("word") == "1",
        allow=allow,
        attribute=find_risk(row.get("risk", "")).attribute or "",
        note=row.get("note", ""),
        added=_day(row.get("added", "")),
        reviewer=row.get("reviewer", ""),
        expires=_day(row.get("expires", "")),
    )


def _day(cell: str) -> date | None:
    if not cell:
        return None
    try:
        return date.fromisoformat(cell)
    except ValueError:
        raise LexiconError(f"{cell!r} is not a date like 2026-11-24") from None
