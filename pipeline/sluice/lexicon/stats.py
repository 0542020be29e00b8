"""How many terms a lexicon has of which kind."""

from __future__ import annotations

import unicodedata
from collections import Counter
from datetime import date

import msgspec

from sluice.lexicon.bundle import version_of
from sluice.lexicon.files import Content
from sluice.lexicon.lexicon import Lexicon
from sluice.lexicon.term import CHANNELS
from sluice.risks import RISKS

__all__ = ["Statistics", "script", "statistics"]


class Statistics(msgspec.Struct, frozen=True):
    """Counts of a lexicon's terms, expired ones included."""

    version: str
    name: str
    terms: int
    harmless: int
    newest: date | None
    """When the newest term was added; None where no term says."""
    risks: dict[str, int]
    severities: dict[int, int]
    categories: dict[str, int]
    lengths: dict[int, int]
    """By folded characters."""
    scripts: dict[str, int]
    """`Han`, `Latin`, `mixed` (of several scripts) and `other`."""
    forms: dict[str, int]
    """What the automata look for, by channel: the terms, and their disguised forms."""


def statistics(content: Content) -> Statistics:
    """Count a lexicon's terms."""
    terms = content.terms
    forms = Lexicon(content).forms
    risks = Counter(term.risk for term in terms)
    return Statistics(
        version=version_of(content),
        name=content.settings.name,
        terms=len(terms),
        harmless=len(content.harmless),
        newest=max((term.added for term in terms if term.added is not None), default=None),
        risks={risk: risks[risk] for risk in RISKS if risks[risk]},
        severities=dict(sorted(Counter(term.severity for term in terms).items())),
        categories=dict(sorted(Counter(term.category for term in terms).items())),
        lengths=dict(sorted(Counter(len(term.folded) for term in terms).items())),
        scripts=dict(Counter(script(term.folded) for term in terms).most_common()),
        forms={channel: forms[channel] for channel in CHANNELS if forms[channel]},
    )


def script(folded: str) -> str:
    """The script of a folded term's letters."""
    names = {unicodedata.name(char, "").partition(" ")[0] for char in folded if char.isalpha()}
    scripts = {"CJK": "Han", "LATIN": "Latin"}
    found = {scripts.get(name, "other") for name in names}
    return found.pop() if len(found) == 1 else "mixed" if found else "other"
