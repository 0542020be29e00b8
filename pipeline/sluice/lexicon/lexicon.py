"""A compiled lexicon: the automaton, and the prefixes that tell how much text must be held back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import ahocorasick
import msgspec

from sluice.lexicon.bundle import read_lexicon, version_of
from sluice.lexicon.files import Content
from sluice.lexicon.settings import LexiconSettings
from sluice.lexicon.term import Term
from sluice.text.fold import fold_text

__all__ = ["Lexicon", "Pattern", "as_letters"]


class Pattern(msgspec.Struct, frozen=True, gc=False):
    """A term as the scan needs it."""

    term: Term
    rule: str
    length: int
    """Folded characters."""
    word: bool
    allow: tuple[tuple[str, int], ...]
    """Folded allowed contexts, each with the offset at which the term stands in it."""


class Lexicon:
    """Immutable once built; shared by every channel of a process."""

    def __init__(self, content: Content | Iterable[Term], *, today: date | None = None) -> None:
        """Build from what files say, or from terms alone. With `today`, what has expired by then is left out."""
        if not isinstance(content, Content):
            content = Content(LexiconSettings(), tuple(content))
        self.content = content
        self.terms = tuple(t for t in content.terms if today is None or t.expires is None or t.expires > today)
        by_folded: dict[str, list[Pattern]] = {}
        for term in self.terms:
            folded = term.folded
            contexts = tuple(
                (context, at) for context in map(fold_text, term.allow) for at in _occurrences(folded, context)
            )
            pattern = Pattern(term=term, rule=term.rule, length=len(folded), word=term.word, allow=contexts)
            by_folded.setdefault(folded, []).append(pattern)
        # pyahocorasick scans a node's children one by one, and Chinese gives the root thousands of them; as UTF-8
        # bytes there are at most 64, which is 5 to 10 times faster.
        self.automaton = ahocorasick.Automaton(ahocorasick.STORE_ANY)
        for folded, patterns in by_folded.items():
            self.automaton.add_word(as_letters(folded), tuple(patterns))
        if by_folded:
            self.automaton.make_automaton()
        self.empty = not by_folded
        self.prefixes = _prefixes(f for f, ps in by_folded.items() if not all(p.word for p in ps))
        """Proper prefixes of terms that may begin anywhere."""
        self.word_prefixes = _prefixes(f for f, ps in by_folded.items() if all(p.word for p in ps)) - self.prefixes
        """Proper prefixes of terms that can only begin where a word begins."""
        self.first = frozenset(p[0] for p in self.prefixes | self.word_prefixes)
        self.longest = max(map(len, by_folded), default=0)
        contexts_longest = max((len(c) for ps in by_folded.values() for p in ps for c, _ in p.allow), default=0)
        self.keep = max(self.longest, contexts_longest) + 1
        """Folded characters before the newest one that a scan must remember."""
        self.version = version_of(content)
        """Of all that was read; which terms have expired is a matter of the day."""

    @classmethod
    def load(cls, path: Path, *, today: date | None = None) -> Lexicon:
        """Read and compile a lexicon: its directory, or a bundle.

        Raises:
            sluice.errors.LexiconError: names every file and line that is wrong.
        """
        return cls(read_lexicon(path), today=today)


def as_letters(folded: str) -> str:
    """UTF-8 bytes as one letter each, which is what the automaton is made of.

    A lone surrogate (possible only in a Python string, never on the wire) goes through as its three bytes.
    """
    return folded if folded.isascii() else folded.encode("utf-8", "surrogatepass").decode("latin-1")


def _occurrences(term: str, context: str) -> list[int]:
    found, at = [], context.find(term)
    while at >= 0:
        found.append(at)
        at = context.find(term, at + 1)
    return found


def _prefixes(folded: Iterable[str]) -> frozenset[str]:
    return frozenset(f[:n] for f in folded for n in range(1, len(f)))
