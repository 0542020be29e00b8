"""One entry of a lexicon."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Literal, get_args

import msgspec

from sluice.text.fold import fold_text

__all__ = ["CHANNELS", "MAX_TERM_CHARS", "SEVERITY_SCORES", "Boundary", "MatchChannel", "Term"]

MAX_TERM_CHARS = 64
"""Longest term or allowed context, folded. It bounds what a channel keeps and may hold back."""

SEVERITY_SCORES = {1: 0.6, 2: 0.9, 3: 1.0}
"""Score of a hit: 1 is a weak signal, 2 is strong, 3 is unambiguous. Profiles compare it with their thresholds."""

MatchChannel = Literal["exact", "folded", "noise", "split", "pinyin", "initials", "mixed"]
"""How a term was found: as written; in other characters of the same text (case, width, traditional, styled letters);
with marks, spaces or invisible characters between its letters; with characters taken apart (氵每 for 海); by its sound
in whole syllables, Han or Latin; as the initials of its syllables; with one character replaced by its initial."""

CHANNELS: tuple[MatchChannel, ...] = get_args(MatchChannel)

Boundary = Literal["", "lower", "need"]
"""What a hit that crosses the edge of a word (大麻 in 有大麻烦) comes to: nothing special, a lower score, or no hit."""


class Term(msgspec.Struct, frozen=True):
    """A term as it was written in its file, and where it stands."""

    text: str
    risk: str
    severity: int
    category: str
    """Name of the file without its ending, e.g. `drugs`."""
    word: bool = False
    """Only a whole word is a hit (for terms in Latin letters)."""
    allow: tuple[str, ...] = ()
    """Longer contexts in which the term is harmless."""
    boundary: Boundary = ""
    channels: tuple[MatchChannel, ...] | None = None
    """Channels on which it is looked for beside `exact`; None for those that the lexicon has for its risk."""
    attribute: str = ""
    """For discrimination: the protected attribute of the risk."""
    hint: str = ""
    """For whoever carries out an order, e.g. which answer to give instead; it decides nothing."""
    note: str = ""
    source: str = ""
    added: date | None = None
    reviewer: str = ""
    expires: date | None = None
    """The term is not used from this day on."""

    @property
    def folded(self) -> str:
        """What the automaton looks for: the term under the same folding as the text."""
        return fold_text(self.text)

    @property
    def score(self) -> float:
        """0 to 1, from the severity; of a hit as it is written."""
        return SEVERITY_SCORES[self.severity]

    @property
    def rule(self) -> str:
        """Id that stays the same when the file is sorted or other terms come and go."""
        digest = hashlib.blake2b(f"{self.risk}\x1f{self.folded}".encode(), digest_size=4).hexdigest()
        return f"{self.category}-{digest}"
