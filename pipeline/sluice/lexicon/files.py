"""Reads a lexicon's directory: tab-separated files with one term a line, and the plain lists that `lexicon.yaml` names.

Columns of a tab-separated file: `term risk severity word boundary allow channels hint note source added reviewer
expires`; the first three must be there, in any order. Several values in one cell are separated by `|`. A line that
begins with `#` is a comment. A plain list has one term a line and nothing else, in UTF-8 or GB18030.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, cast, get_args

import msgspec

from sluice.errors import InputError, LexiconError
from sluice.lexicon.problem import Problem, raise_for, shown
from sluice.lexicon.settings import LexiconSettings, PlainList, read_settings
from sluice.lexicon.term import CHANNELS, MAX_TERM_CHARS, SEVERITY_SCORES, Boundary, MatchChannel, Term
from sluice.risks import risk as find_risk
from sluice.text.fold import fold_text

__all__ = [
    "MAX_TERMS",
    "SETTINGS_FILE",
    "Content",
    "Place",
    "Reading",
    "check_harmless",
    "check_term",
    "read_directory",
    "read_file",
    "survey",
]

SETTINGS_FILE = "lexicon.yaml"

MAX_TERMS = 500_000
"""Terms of one lexicon. Far above what operators load; it bounds what a worker has to build."""

MAX_CONTEXTS = 64
"""Allowed contexts of one term."""

_MAX_BYTES = 64 << 20
_REQUIRED = ("term", "risk", "severity")
_COLUMNS = (
    *_REQUIRED,
    *("word", "boundary", "allow", "channels", "hint", "note", "source", "added", "reviewer", "expires"),
)
_MAX_NOTE = 500
_MAX_CATEGORY = 64


class Content(msgspec.Struct, frozen=True):
    """What a lexicon's files say, before it is compiled."""

    settings: LexiconSettings
    terms: tuple[Term, ...]
    harmless: tuple[str, ...] = ()
    """Texts in which no term is a hit."""


class Place(NamedTuple):
    """Where something stands in a lexicon's files."""

    file: str
    line: int = 0
    """Counted from 1; 0 where only the file is known."""


class Reading(msgspec.Struct, frozen=True):
    """A content with the place of each of its terms and harmless texts, in their order, and what is wrong."""

    content: Content
    terms: tuple[Place, ...]
    harmless: tuple[Place, ...]
    problems: tuple[Problem, ...] = ()


def read_directory(directory: Path) -> tuple[Content, list[Problem]]:
    """Read `lexicon.yaml`, if there is one, the lists it names, and every `*.tsv` directly in a directory.

    What is wrong is left out of the content and told in the problems, all of it.
    """
    reading = survey(directory)
    return reading.content, list(reading.problems)


def survey(directory: Path) -> Reading:
    """`read_directory`, for those who want to say where something stands."""
    reader = _Reader()
    settings = LexiconSettings()
    file = directory / SETTINGS_FILE
    if file.is_file():
        text = reader.text(file)
        settings = read_settings(text, str(file), reader.problems) if text is not None else settings
    try:
        tables = sorted(f for f in directory.iterdir() if f.suffix == ".tsv" and f.is_file())
    except OSError as error:
        reader.problem("error", directory, 0, error.strerror or "cannot be read")
        return reader.reading(settings)
    for table in tables:
        reader.table(table)
    for plain in settings.lists:
        reader.plain(directory, file, plain)
    for name in settings.allow:
        reader.harmless(directory, file, name)
    if not tables and not settings.lists and not reader.problems:
        reader.problem("error", directory, 0, f"no lexicon file here (*.tsv, or lists in {SETTINGS_FILE})")
    if len(reader.terms) > MAX_TERMS:
        reader.problem("error", directory, 0, f"{len(reader.terms)} terms, the limit is {MAX_TERMS}")
    if len(reader.contexts) > MAX_TERMS:
        reader.problem("error", directory, 0, f"{len(reader.contexts)} harmless texts, the limit is {MAX_TERMS}")
    return reader.reading(settings)


def read_file(file: Path) -> list[Term]:
    """Read one tab-separated file.

    Raises:
        LexiconError: names every line that is wrong (the first 50).
    """
    reader = _Reader()
    reader.table(file)
    raise_for(reader.problems)
    return reader.terms


class _Reader:
    def __init__(self) -> None:
        self.terms: list[Term] = []
        self.contexts: list[tuple[str, Place]] = []
        self.problems: list[Problem] = []
        self._places: list[Place] = []
        self._seen: dict[tuple[str, str], tuple[Path, int]] = {}

    def reading(self, settings: LexiconSettings) -> Reading:
        content = Content(settings, tuple(self.terms), tuple(text for text, _ in self.contexts))
        places = tuple(place for _, place in self.contexts)
        return Reading(content, tuple(self._places), places, tuple(self.problems))

    def problem(self, level: Any, file: Path, line: int, message: str) -> None:
        self.problems.append(Problem(level, shown(file), line, message))

    def text(self, file: Path, encoding: str = "utf-8") -> str | None:
        """The text of a file; with no encoding named, whichever of the two its bytes are."""
        try:
            if file.exists() and not file.is_file():
                self.problem("error", file, 0, "not a file")
                return None
            with file.open("rb") as opened:
                data = opened.read(_MAX_BYTES + 1)
        except (OSError, ValueError) as error:
            self.problem("error", file, 0, getattr(error, "strerror", None) or str(error))
            return None
        if len(data) > _MAX_BYTES:
            self.problem("error", file, 0, f"larger than {_MAX_BYTES >> 20} MiB")
            return None
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            self.problem("error", file, 0, "UTF-16; save it as UTF-8")
            return None
        for name in (encoding,) if encoding else ("utf-8", "gb18030"):
            try:
                return data.decode(name).removeprefix("\ufeff")  # the byte order mark, in either encoding
            except UnicodeDecodeError as error:
                wrong = error
        named = "not UTF-8" if encoding == "utf-8" else f"not {wrong.encoding.upper()}"
        if not encoding:
            named = "neither UTF-8 nor GB18030"
        line = data.count(b"\n", 0, wrong.start) + 1
        self.problem("error", file, line, f"{named} at byte {wrong.start}")
        return None

    def _terms_of(self, file: Path, encoding: str) -> str | None:
        """The text of a file whose name is the category of its terms."""
        try:
            _check_category(file.stem)
        except LexiconError as error:
            self.problem("error", file, 0, str(error))
            return None
        return self.text(file, encoding)

    def table(self, file: Path) -> None:
        text = self._terms_of(file, "utf-8")
        if text is None:
            return
        if not text.strip():
            self.problem("error", file, 0, "the file is empty; its first line names the columns")
            return
        first, *lines = text.split("\n")
        header = first.rstrip("\r").split("\t")
        wrong = [f"unknown column {c!r}" for c in header if c not in _COLUMNS]
        wrong += [f"column {c!r} is there twice" for c in set(header) if header.count(c) > 1]
        wrong += [f"column {c!r} is missing" for c in _REQUIRED if c not in header]
        for message in wrong:
            self.problem("error", file, 1, message)
        if wrong:
            return
        for number, line in _lines(lines, 2):
            try:
                self._add(_term(dict(_cells(header, line)), file.stem), file, number, twice="error")
            except InputError as error:
                self.problem("error", file, number, str(error))

    def plain(self, directory: Path, settings: Path, plain: PlainList) -> None:
        file = self._inside(directory, settings, plain.line, plain.file)
        text = None if file is None else self._terms_of(file, plain.encoding)
        if file is None or text is None:
            return
        attribute = find_risk(plain.risk).attribute or ""
        for number, line in _lines(text.split("\n"), 1):
            line = line.strip()
            folded = fold_text(line)
            if len(folded.strip()) == 1:
                # Operators' lists have them, and they would match inside half of all words.
                self.problem("warning", file, number, "one character is too short for a term; the line is left out")
                continue
            try:
                if "\t" in line:
                    raise LexiconError("a plain list has one term a line and nothing else; this line has a tab")
                short = len(folded) == 2 and not folded.isascii()
                term = Term(
                    text=line,
                    risk=plain.risk,
                    severity=plain.severity,
                    category=file.stem,
                    word=folded.isascii(),
                    boundary=plain.boundary if short else "",
                    channels=plain.channels,
                    attribute=attribute,
                    source=plain.source,
                )
                self._add(term, file, number, twice="warning")
            except InputError as error:
                self.problem("error", file, number, str(error))

    def harmless(self, directory: Path, settings: Path, name: str) -> None:
        file = self._inside(directory, settings, 0, name)
        text = None if file is None else self.text(file, "")
        if file is None or text is None:
            return
        for number, line in _lines(text.split("\n"), 1):
            line = line.strip()
            try:
                check_harmless(line)
                self.contexts.append((line, Place(str(file), number)))
            except LexiconError as error:
                self.problem("error", file, number, str(error))

    def _inside(self, directory: Path, settings: Path, line: int, name: str) -> Path | None:
        path = PurePosixPath(name)
        outside = not name or path.is_absolute() or ".." in path.parts or "\0" in name
        if outside or not (directory / path).resolve().is_relative_to(directory.resolve()):
            self.problem("error", settings, line, f"{name!r:.80} is not a file in the lexicon's directory")
            return None
        return directory / path

    def _add(self, term: Term, file: Path, line: int, *, twice: str) -> None:
        check_term(term)
        key = (term.folded, term.risk)
        first = self._seen.setdefault(key, (file, line))
        if first == (file, line):
            self.terms.append(term)
            self._places.append(Place(str(file), line))
            return
        place = f"line {first[1]}" if first[0] == file else f"{first[0].name}:{first[1]}"
        self.problem(twice, file, line, f"the same term as {place} after folding, for the same risk")


def _lines(lines: Sequence[str], first: int) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, start=first):
        line = line.rstrip("\r")
        if line.strip() and not line.startswith("#"):
            yield number, line


def _cells(header: list[str], line: str) -> Iterable[tuple[str, str]]:
    cells = line.split("\t")
    if len(cells) > len(header):
        raise LexiconError(f"{len(cells)} cells, the header has {len(header)}")
    return zip(header, (c.strip() for c in cells), strict=False)


def check_term(term: Term) -> None:
    """What must hold of every term, wherever it was read.

    Raises:
        LexiconError: says what does not.
    """
    folded = term.folded
    if not folded.strip():
        raise LexiconError("the term is empty after folding, so it can never match")
    if len(folded) < 2:
        raise LexiconError("a term needs at least two characters")
    if len(folded) > MAX_TERM_CHARS:
        raise LexiconError(f"the term has {len(folded)} characters, the limit is {MAX_TERM_CHARS}")
    if len(term.allow) > MAX_CONTEXTS:
        raise LexiconError(f"{len(term.allow)} allowed contexts, the limit is {MAX_CONTEXTS}")
    for context in term.allow:
        longer = fold_text(context)
        if folded not in longer or len(longer) <= len(folded):
            raise LexiconError(f"allowed context {context!r:.80} is not a longer text that contains the term")
        if len(longer) > MAX_TERM_CHARS:
            raise LexiconError(f"allowed context {context!r:.80} is longer than {MAX_TERM_CHARS} characters")
    _check_category(term.category)
    if term.attribute != (find_risk(term.risk).attribute or ""):
        raise LexiconError(f"attribute {term.attribute!r:.40} is not that of {term.risk}")
    for column in ("hint", "note", "source", "reviewer"):
        if len(getattr(term, column)) > _MAX_NOTE:
            raise LexiconError(f"{column} is longer than {_MAX_NOTE} characters")


def _check_category(name: str) -> None:
    if not 0 < len(name) <= _MAX_CATEGORY or not name.isprintable():
        raise LexiconError(f"the name of a file of terms is 1 to {_MAX_CATEGORY} printable characters")


def check_harmless(text: str) -> None:
    """What must hold of every harmless text.

    Raises:
        LexiconError: says what does not.
    """
    folded = fold_text(text)
    if not folded.strip():
        raise LexiconError("the text is empty after folding")
    if len(folded) > MAX_TERM_CHARS:
        raise LexiconError(f"the text has {len(folded)} characters, the limit is {MAX_TERM_CHARS}")


def _term(row: dict[str, str], category: str) -> Term:
    severity = row.get("severity", "")
    # isdecimal alone is also true of digits of other scripts
    if not (severity.isascii() and severity.isdecimal()) or int(severity[:9]) not in SEVERITY_SCORES:
        raise LexiconError(f"severity {severity!r:.40} is not 1, 2 or 3")
    if row.get("word", "") not in ("", "0", "1"):
        raise LexiconError(f"word {row['word']!r:.40} is not 0 or 1")
    boundary = row.get("boundary", "")
    if boundary not in get_args(Boundary):
        raise LexiconError(f"boundary {boundary!r:.40} is not 'lower', 'need' or empty")
    channels = _values(row, "channels")
    for channel in channels:
        if channel not in CHANNELS:
            raise LexiconError(f"channel {channel!r:.40} is not one of {', '.join(CHANNELS)}")
    return Term(
        text=row.get("term", ""),
        risk=row.get("risk", ""),
        severity=int(severity),
        category=category,
        word=row.get("word") == "1",
        allow=_values(row, "allow"),
        boundary=cast("Boundary", boundary),
        channels=cast("tuple[MatchChannel, ...]", channels) or None,
        attribute=find_risk(row.get("risk", "")).attribute or "",
        hint=row.get("hint", ""),
        note=row.get("note", ""),
        source=row.get("source", ""),
        added=_day(row.get("added", "")),
        reviewer=row.get("reviewer", ""),
        expires=_day(row.get("expires", "")),
    )


def _values(row: dict[str, str], column: str) -> tuple[str, ...]:
    return tuple(value for cell in row.get(column, "").split("|") if (value := cell.strip()))


def _day(cell: str) -> date | None:
    if not cell:
        return None
    try:
        return date.fromisoformat(cell)
    except ValueError:
        raise LexiconError(f"{cell!r:.40} is not a date like 2026-11-24") from None
