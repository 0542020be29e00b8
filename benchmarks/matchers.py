"""Multi-term matchers behind one interface, each made correct over the borders of deltas.

A matcher is built from folded terms; `open()` gives the state of one stream, whose `feed` reads the next delta and puts
what it finds into `hits` as (start, end, number of the term), in code points of the stream. Who carries no state from
one call to the next reads the last characters of the stream again, one fewer than the longest term has, and leaves out
what it finds inside them alone: it was found before.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import ahocorasick
import ahocorasick_rs
import daachorse
import hyperscan

__all__ = ["BARE", "MATCHERS", "NAIVE", "Hit", "Matcher", "Scan"]

Hit = tuple[int, int, int]
"""Start, end, number of the term."""

_Find = Callable[[str], list[Hit]]
"""All overlapping hits in one text, as (start, end, number of the term)."""


class Scan(ABC):
    """State of one stream."""

    __slots__ = ("hits",)

    def __init__(self) -> None:
        self.hits: list[Hit] = []

    @abstractmethod
    def feed(self, text: str, final: bool = False) -> None:
        """Read the next delta."""

    def close(self) -> None:  # noqa: B027 (most have nothing to close)
        """Let go of what the garbage collector would not."""


class Matcher(ABC):
    """Terms, compiled."""

    name: ClassVar[str]

    def __init__(self, terms: Sequence[str]) -> None:
        self.lengths = [len(term) for term in terms]

    @abstractmethod
    def open(self) -> Scan:
        """The state of a new stream."""


class PyahocorasickStr(Matcher):
    """pyahocorasick on plain text; its iterator carries the state. Not for characters above U+FFFF: it crashes."""

    name = "pyahocorasick str"

    def __init__(self, terms: Sequence[str]) -> None:
        super().__init__(terms)
        self.automaton = ahocorasick.Automaton(ahocorasick.STORE_ANY)
        for number, term in enumerate(terms):
            self.automaton.add_word(term, number)
        self.automaton.make_automaton()

    def open(self) -> Scan:
        return _StrScan(self)


class _StrScan(Scan):
    __slots__ = ("_lengths", "_matches")

    def __init__(self, matcher: PyahocorasickStr) -> None:
        super().__init__()
        self._lengths = matcher.lengths
        self._matches = matcher.automaton.iter("")

    def feed(self, text: str, final: bool = False) -> None:
        matches = self._matches
        matches.set(text)
        for last, number in matches:
            self.hits.append((last + 1 - self._lengths[number], last + 1, number))


class PyahocorasickBytes(Matcher):
    """pyahocorasick on UTF-8, each byte as one letter; its iterator carries the state. What Sluice is built on."""

    name = "pyahocorasick UTF-8"

    def __init__(self, terms: Sequence[str]) -> None:
        super().__init__(terms)
        self.automaton = ahocorasick.Automaton(ahocorasick.STORE_ANY)
        for number, term in enumerate(terms):
            self.automaton.add_word(term.encode().decode("latin-1"), number)
        self.automaton.make_automaton()

    def open(self) -> Scan:
        return _BytesScan(self)


class _BytesScan(Scan):
    __slots__ = ("_chars", "_lengths", "_matches", "_read")

    def __init__(self, matcher: PyahocorasickBytes) -> None:
        super().__init__()
        self._lengths = matcher.lengths
        self._matches = matcher.automaton.iter("")
        self._chars = 0
        self._read = 0  # bytes

    def feed(self, text: str, final: bool = False) -> None:
        data = text.encode()
        matches = self._matches
        matches.set(data.decode("latin-1"))
        for last, number in matches:
            end = self._chars + len(data[: last + 1 - self._read].decode())
            self.hits.append((end - self._lengths[number], end, number))
        self._chars += len(text)
        self._read += len(data)


class AhocorasickRs(Matcher):
    """ahocorasick_rs, the automaton of ripgrep; no state between calls."""

    name = "ahocorasick_rs"

    def __init__(self, terms: Sequence[str]) -> None:
        super().__init__(terms)
        self.automaton = ahocorasick_rs.AhoCorasick(terms)
        self.tail = max(self.lengths) - 1

    def find(self, text: str) -> list[Hit]:
        return [(start, end, n) for n, start, end in self.automaton.find_matches_as_indexes(text, overlapping=True)]

    def open(self) -> Scan:
        return _TailScan(self.find, self.tail)


class Daachorse(Matcher):
    """daachorse on characters; no state between calls."""

    name = "daachorse"

    def __init__(self, terms: Sequence[str]) -> None:
        super().__init__(terms)
        self.automaton = daachorse.CharwiseDoubleArrayAhoCorasick(list(terms))
        self.tail = max(self.lengths) - 1

    def open(self) -> Scan:
        return _TailScan(self.automaton.find_overlapping, self.tail)


class _TailScan(Scan):
    __slots__ = ("_find", "_keep", "_origin", "_tail")

    def __init__(self, find: _Find, keep: int) -> None:
        super().__init__()
        self._find = find
        self._keep = keep
        self._origin = 0
        self._tail = ""

    def feed(self, text: str, final: bool = False) -> None:
        old = len(self._tail)
        buffer = self._tail + text
        for start, end, number in self._find(buffer):
            if end > old:
                self.hits.append((self._origin + start, self._origin + end, number))
        self._tail = buffer[-self._keep :]
        self._origin += len(buffer) - len(self._tail)


class NaiveDaachorse(Daachorse):
    """daachorse on every delta by itself: what a matcher without state misses."""

    name = "daachorse, each delta alone"

    def open(self) -> Scan:
        return _AloneScan(self.automaton.find_overlapping)


class NaiveAhocorasickRs(AhocorasickRs):
    """ahocorasick_rs on every delta by itself."""

    name = "ahocorasick_rs, each delta alone"

    def open(self) -> Scan:
        return _AloneScan(self.find)


class _AloneScan(Scan):
    __slots__ = ("_find", "_origin")

    def __init__(self, find: _Find) -> None:
        super().__init__()
        self._find = find
        self._origin = 0

    def feed(self, text: str, final: bool = False) -> None:
        for start, end, number in self._find(text):
            self.hits.append((self._origin + start, self._origin + end, number))
        self._origin += len(text)


class Hyperscan(Matcher):
    """Hyperscan (Vectorscan) in its stream mode, on UTF-8 bytes, terms as pure literals."""

    name = "hyperscan stream"

    def __init__(self, terms: Sequence[str]) -> None:
        super().__init__(terms)
        self.database = hyperscan.Database(mode=hyperscan.HS_MODE_STREAM)
        count = len(terms)
        self.database.compile(
            expressions=[term.encode() for term in terms],
            ids=list(range(count)),
            elements=count,
            flags=[0] * count,
            literal=True,
        )

    def open(self) -> Scan:
        return _HyperscanScan(self)


class _HyperscanScan(Scan):
    __slots__ = ("_chars", "_data", "_database", "_lengths", "_on_hit", "_read", "_stream")

    def __init__(self, matcher: Hyperscan) -> None:
        super().__init__()
        # hyperscan 0.9.1 crashes the interpreter when a stream outlives its database, and when a handler given to the
        # stream is gone (it takes no reference): the handler is given to each scan, and kept here.
        self._database = matcher.database
        self._on_hit = self._hit
        self._lengths = matcher.lengths
        self._data = b""
        self._chars = 0
        self._read = 0  # bytes
        self._stream: Any = self._database.stream(match_event_handler=_no_hit)
        self._stream.__enter__()  # it reads nothing before

    def feed(self, text: str, final: bool = False) -> None:
        self._data = data = text.encode()
        self._stream.scan(data, match_event_handler=self._on_hit)
        self._chars += len(text)
        self._read += len(data)

    def _hit(self, number: int, _start: int, end_byte: int, _flags: int, _context: object) -> None:
        end = self._chars + len(self._data[: end_byte - self._read].decode())
        self.hits.append((end - self._lengths[number], end, number))

    def close(self) -> None:
        self._stream.close()
        del self._on_hit  # it and this object hold each other


def _no_hit(_number: int, _start: int, _end: int, _flags: int, _context: object) -> None:
    """A stream wants a handler when it is opened."""


MATCHERS: tuple[type[Matcher], ...] = (PyahocorasickBytes, PyahocorasickStr, AhocorasickRs, Daachorse, Hyperscan)

NAIVE: tuple[type[Matcher], ...] = (NaiveDaachorse, NaiveAhocorasickRs)

BARE = PyahocorasickBytes.name
"""What the whole stage is compared with."""
