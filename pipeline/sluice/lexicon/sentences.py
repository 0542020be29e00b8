"""Sentences that say of a term whether it must be found in them: the tests that a lexicon's authors write.

A tab-separated file with the columns `term kind text`; `kind` is `hit` or `miss`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from sluice.contract.decision import Finding
from sluice.errors import LexiconError
from sluice.lexicon.files import Content
from sluice.lexicon.lexicon import Lexicon
from sluice.lexicon.scan import LexiconScan
from sluice.lexicon.term import Term
from sluice.text.fold import fold_text

__all__ = ["COLUMNS", "Sentence", "Trial", "findings", "parse_sentence"]

COLUMNS = ("term", "kind", "text")


class Sentence(msgspec.Struct, frozen=True):
    """One of them."""

    term: str
    hit: bool
    """Whether the term must be found; otherwise it must not."""
    text: str


def parse_sentence(header: Sequence[str], line: str) -> Sentence:
    """Read one line.

    Raises:
        LexiconError: says what is wrong with it.
    """
    cells = line.split("\t")
    if len(cells) != len(header):
        raise LexiconError(f"{len(cells)} cells, the header has {len(header)}")
    row = dict(zip(header, cells, strict=True))
    if row["kind"] not in ("hit", "miss"):
        raise LexiconError(f"kind {row['kind']!r:.40} is not hit or miss")
    return Sentence(row["term"].strip(), row["kind"] == "hit", row["text"])


def findings(lexicon: Lexicon, text: str) -> Sequence[Finding]:
    """What a lexicon finds in a whole text."""
    return LexiconScan(lexicon, lambda _: "").feed(text, final=True).findings


class Trial:
    """Holds sentences against a lexicon."""

    def __init__(self, content: Content) -> None:
        self.lexicon = Lexicon(content)
        self._content = content
        self._terms: dict[str, list[Term]] = {}
        for term in content.terms:
            self._terms.setdefault(term.folded, []).append(term)
        self._alone: dict[str, Lexicon] = {}

    def terms(self, written: str, category: str = "") -> list[Term]:
        """The terms that are written so; where several are, those of the category if it has any."""
        terms = self._terms.get(fold_text(written), [])
        return [term for term in terms if term.category == category] or terms

    def finds(self, term: Term, text: str) -> bool:
        """Whether the term is found in a text, by itself or inside a longer hit of its risk."""
        found = findings(self.lexicon, text)
        if any(finding.rule == term.rule for finding in found):
            return True
        longer = [finding for finding in found if finding.risk == term.risk]
        return bool(longer) and any(
            finding.start <= own.start and own.end <= finding.end for own in self._own(term, text) for finding in longer
        )

    def _own(self, term: Term, text: str) -> Iterator[Finding]:
        """Where the term would be found if there were no other."""
        if term.rule not in self._alone:
            self._alone[term.rule] = Lexicon(msgspec.structs.replace(self._content, terms=(term,)))
        yield from findings(self._alone[term.rule], text)
