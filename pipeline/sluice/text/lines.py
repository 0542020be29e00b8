"""Reads a file of lines in bounded memory, however long a line is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

__all__ = ["Line", "Source", "bounded_lines"]


class Source(Protocol):
    """A file, as far as it is needed here."""

    def readline(self, size: int, /) -> bytes: ...


class Line(NamedTuple):
    """One line as it stands in its file, its end included."""

    number: int
    """Counted from 1."""
    data: bytes
    """No more of it than was asked for."""
    size: int
    """Bytes of all of it; more than `len(data)` where it was too long."""


def bounded_lines(file: Source, limit: int) -> Iterator[Line]:
    """Every line of a file. Of one longer than `limit` bytes the beginning is given, and the rest skipped."""
    number = 0
    while data := file.readline(limit + 1):
        number += 1
        size = len(data)
        last = data
        while not last.endswith(b"\n") and (last := file.readline(limit)):
            size += len(last)
        yield Line(number, data, size)
