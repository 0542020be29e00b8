"""Reads labelled files: CSV, TSV or JSON lines, row by row, in bounded memory."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from sluice.errors import InputError
from sluice.evaluation.mapping import Columns, Labeller
from sluice.text.lines import Source, bounded_lines
from sluice.text.visible import visible

__all__ = ["ENCODINGS", "MAX_TEXT_CHARS", "FileKind", "LabelledFile", "Row", "kind_of"]

FileKind = Literal["csv", "tsv", "jsonl"]
ENCODINGS = ("utf-8", "gb18030")

MAX_TEXT_CHARS = 200_000
"""Longest text. A longer one is a row that is not read: probably a quotation mark that is never closed."""

_MAX_LINE_BYTES = 6 * MAX_TEXT_CHARS + 65_536
_MAX_RECORD_BYTES = 2 * _MAX_LINE_BYTES
"""Of a row that goes over several lines: a text and what it answers. A longer one has fields without end."""
_MAX_COLUMNS = 1_000
_BOMS = {b"\xef\xbb\xbf": "utf-8", b"\x84\x31\x95\x33": "gb18030"}
_NO_TEXT = re.compile("[\udc80-\udcff]")
"""What `surrogateescape` makes of a byte that the encoding does not have."""
_DIGITS = re.compile(" *[0-9]{1,9} *")
_CR = "a line ends with CR alone; save the file with LF or CRLF"
_SUFFIXES: dict[str, FileKind] = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}


class Row(msgspec.Struct, frozen=True):
    """One labelled text."""

    line: int
    """Where its row begins in the file, counted from 1."""
    text: str
    labels: NDArray[np.int8]
    """By target, shape `(targets,)`: 1 harmful, 0 clean, -1 unknown."""
    prompt: str = ""
    span: tuple[int, int] | None = None
    """The violation, `[start, end)` in code points, where the file says."""


def kind_of(path: Path) -> FileKind:
    """The kind of a file, by its name.

    Raises:
        InputError: the name does not say.
    """
    kind = _SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise InputError(f"{visible(str(path))}: say what kind of file it is: --format csv, tsv or jsonl")
    return kind


class LabelledFile:
    """A file that is read once. What is wrong with a row is told, and the rows behind it are read."""

    def __init__(
        self,
        path: Path,
        columns: Columns,
        labeller: Labeller,
        *,
        kind: FileKind,
        encoding: str = "utf-8",
        limit: int | None = None,
        on_error: Callable[[str], None],
        on_bytes: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Nothing is read yet.

        Args:
            encoding: `utf-8` or `gb18030`; a byte order mark of either says better.
            limit: rows to give at the most.
            on_error: called with file, line and what is wrong.
            on_bytes: called with the number of bytes read since the last call.
        """
        self._path = path
        self._name = visible(str(path))
        self._columns = columns
        self._labeller = labeller
        self._kind = kind
        self._encoding = encoding
        self._limit = limit
        self._on_error = on_error
        self._on_bytes = on_bytes
        self._hash = hashlib.sha256()
        self.read = 0
        """Rows so far, whatever became of them."""
        self.bad = 0
        """Rows that could not be read."""
        self.ignored = 0
        """Rows without a label that says anything."""

    @property
    def sha256(self) -> str:
        """Of the whole file, in hexadecimal, once `rows` has come to its end."""
        return self._hash.hexdigest()

    def rows(self) -> Iterator[Row]:
        """Every row that has a text and a label.

        Raises:
            InputError: the file cannot be read, or a column that is needed is missing.
        """
        try:
            with self._path.open("rb") as file:
                start = file.peek(4)  # not read: it may be a pipe, which does not go back
                if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
                    raise InputError(f"{self._name}: UTF-16; save it as UTF-8 or GB 18030")
                for mark, encoding in _BOMS.items():
                    if start.startswith(mark):
                        self._encoding = encoding
                        self._heard(file.read(len(mark)))
                source = _Heard(file, self._heard)
                given = (
                    row
                    for line, record in self._records(_Lines(source, self._encoding))
                    for row in self._row(line, record)
                )
                yield from islice(given, self._limit)
                while source.readline(_MAX_LINE_BYTES):
                    pass  # for the hash, which is of all of it
        except OSError as error:
            raise InputError(f"{self._name}: {error.strerror}") from error

    def _heard(self, data: bytes) -> None:
        self._hash.update(data)
        self._on_bytes(len(data))

    def _wrong(self, line: int, message: str) -> None:
        self.bad += 1
        self._on_error(f"{self._name}:{line}: {message}")

    def _unread(self, line: int, message: str) -> None:
        self.read += 1
        self._wrong(line, message)

    def _row(self, line: int, record: Mapping[str, Any]) -> Iterator[Row]:
        try:
            text = self._text(record, self._columns.text)
            labels = self._labeller.labels(record)
            if labels is None:
                self.ignored += 1
                return
            prompt = self._text(record, self._columns.prompt) if self._columns.prompt else ""
            yield Row(line, text, labels, prompt, self._span(record, len(text)))
        except InputError as error:
            self._wrong(line, str(error))

    def _text(self, record: Mapping[str, Any], column: str) -> str:
        text = record.get(column)
        if not isinstance(text, str):
            raise InputError(f"no text in {column!r}")
        if len(text) > MAX_TEXT_CHARS:
            raise InputError(f"{column!r} has {len(text)} characters, the limit is {MAX_TEXT_CHARS}")
        return text

    def _check_encoding(self, text: str) -> None:
        if _NO_TEXT.search(text):
            other = next(name for name in ENCODINGS if name != self._encoding)
            raise InputError(f"not {self._encoding}; if all of the file is {other}, say --encoding {other}")

    def _span(self, record: Mapping[str, Any], length: int) -> tuple[int, int] | None:
        if self._columns.span is None:
            return None
        cells = [record.get(name) for name in self._columns.span]
        if all(cell in (None, "") for cell in cells):
            return None
        start, end = map(_whole, cells)
        if start is None or end is None:
            raise InputError(f"the span in {' and '.join(self._columns.span)} is not two whole numbers")
        if not 0 <= start < end <= length:
            raise InputError(f"the span [{start}, {end}) is not inside the text of {length} characters")
        return start, end

    def _records(self, lines: _Lines) -> Iterator[tuple[int, Mapping[str, Any]]]:
        return self._json(lines) if self._kind == "jsonl" else self._table(lines)

    def _json(self, lines: _Lines) -> Iterator[tuple[int, Mapping[str, Any]]]:
        while True:
            lines.begin_record()
            try:
                line = next(lines, None)
                if line is None:
                    return
                if not line.strip():
                    continue
                if not self.read and line.lstrip().startswith("["):
                    break
                self._check_encoding(line)
                record = _object(line)
            except InputError as error:
                self._unread(lines.number, str(error))
            else:
                self.read += 1
                yield lines.number, record
        raise InputError(f"{self._name}:{lines.number}: a JSON array; write each object on a line, without brackets")

    def _table(self, lines: _Lines) -> Iterator[tuple[int, Mapping[str, Any]]]:
        csv.field_size_limit(MAX_TEXT_CHARS + 1)
        reader = csv.reader(lines, strict=True) if self._kind == "csv" else map(_split, lines)
        header: list[str] | None = None
        while True:
            line = lines.number + 1
            lines.begin_record()
            try:
                fields = next(reader, None)
                if fields is None:
                    return
                if header is None:
                    header = self._header(fields)
                    continue
                if not any(fields):
                    continue
                self._check_encoding("".join(fields))
                if len(fields) != len(header):
                    raise InputError(f"{len(fields)} fields, the first line has {len(header)}")
            except (csv.Error, InputError) as error:
                message = str(error)
                if isinstance(error, csv.Error):
                    # What Python says of a CR is advice for whoever opens the file in Python.
                    cause = _CR if message.startswith("new-line character") else message
                    upto = "" if lines.number <= line else f"; skipped up to line {lines.number}"
                    message = f"not CSV: {cause}{upto}"
                if header is None:
                    raise InputError(f"{self._name}:{line}: {message}") from None
                self._unread(line, message)
            else:
                self.read += 1
                yield line, dict(zip(header, fields, strict=True))

    def _header(self, fields: list[str]) -> list[str]:
        if len(fields) > _MAX_COLUMNS:
            raise InputError(f"{len(fields)} columns, the limit is {_MAX_COLUMNS}")
        # Columns without a name are what spreadsheets leave at the end of a line.
        twice = next((name for name, times in Counter(fields).items() if name and times > 1), None)
        if twice is not None:
            raise InputError(f"the column {twice!r:.60} is there twice")
        missing = [name for name in self._columns.named if name not in fields]
        if missing and any("\r" in field for field in fields):
            raise InputError(_CR)
        if missing:
            there = ", ".join(repr(field)[:40] for field in fields[:12])
            raise InputError(f"no column {', '.join(map(repr, missing))}; the first line has {there}")
        return fields


class _Heard:
    """A file that tells what is read of it."""

    def __init__(self, file: BinaryIO, heard: Callable[[bytes], None]) -> None:
        self._file = file
        self._heard = heard

    def readline(self, size: int, /) -> bytes:
        data = self._file.readline(size)
        self._heard(data)
        return data


class _Lines:
    """The lines of a file as text; bytes that are none become lone surrogates, for `_check_encoding` to find: an error
    here would end a field that goes over several lines."""

    def __init__(self, file: Source, encoding: str) -> None:
        self._lines = bounded_lines(file, _MAX_LINE_BYTES)
        self._encoding = encoding
        self._record = 0
        self.number = 0
        """Of the last line that was read."""

    def begin_record(self) -> None:
        """Lines from here on belong to the next row."""
        self._record = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.number = line.number
        if line.size > _MAX_LINE_BYTES:
            raise InputError(f"a line of {line.size} bytes, the limit is {_MAX_LINE_BYTES}")
        self._record += line.size
        if self._record > _MAX_RECORD_BYTES:
            raise InputError(f"more than {_MAX_RECORD_BYTES} bytes in one row; skipped up to line {line.number}")
        return line.data.decode(self._encoding, "surrogateescape")


def _whole(cell: object) -> int | None:
    """A whole number, from 0 on: one of JSON's, or digits as they are written in a cell. None for all else."""
    if isinstance(cell, str):
        return int(cell) if _DIGITS.fullmatch(cell) else None
    return cell if isinstance(cell, int) and not isinstance(cell, bool) else None


def _split(line: str) -> list[str]:
    """Fields between tabs; quotation marks mean nothing, so that text which begins with one stays as it is."""
    return line.rstrip("\r\n").split("\t")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        raise InputError(f"the key {twice!r:.60} is there twice")
    return found


def _object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InputError("not a JSON object on a line of its own")
    return found
