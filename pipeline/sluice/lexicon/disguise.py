"""Ways of writing a term that are put into the automaton beside the term itself.

A way that only replaces single characters costs nothing while text is read: the automaton grows, the work for a
character does not, and what must be held back stays exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources

from sluice.lexicon.sound import syllables
from sluice.lexicon.term import MatchChannel

__all__ = ["DISGUISED_FROM_SEVERITY", "SOUND_CHARS", "disguises"]

DISGUISED_FROM_SEVERITY = 2
"""A weak term is only looked for as it is written: its score would not survive the confidence of a disguise."""

SOUND_CHARS = 3
"""Shortest term that is looked for by sound or initials. With two characters 40 % of ordinary posts hit by sound."""

_LONGEST = 12
"""Longest term that is taken apart or abbreviated; whoever disguises a whole sentence changes more of it."""

_INITIALS = 4
"""Shortest run of initials that is a term: three letters are too often something else (pdf, ktv, dna)."""


def _read() -> dict[str, tuple[str, ...]]:
    lines = resources.files(__package__).joinpath("parts.txt").read_text(encoding="utf-8").splitlines()
    rows = (line.split(" ") for line in lines if not line.startswith("#"))
    return {char: tuple(ways) for char, *ways in rows}


_PARTS = _read()


def disguises(folded: str) -> Iterator[tuple[str, MatchChannel]]:
    """The disguised forms of a folded term, with the channel each belongs to. All different from the term."""
    if len(folded) > _LONGEST:
        return
    for form in _taken_apart(folded):
        yield form, "split"
    sounds = syllables(folded)
    if sounds is None or len(sounds) < SOUND_CHARS:
        return
    initials = "".join(s[0] for s in sounds)
    if len(initials) >= _INITIALS:
        yield initials, "initials"
    for at, initial in enumerate(initials):
        yield folded[:at] + initial + folded[at + 1 :], "mixed"


def _taken_apart(folded: str) -> set[str]:
    """One character taken apart, in each way there is; and all that can be, in the first and in the last way."""
    forms = {folded[:at] + way + folded[at + 1 :] for at, char in enumerate(folded) for way in _PARTS.get(char, ())}
    forms.add("".join(_PARTS.get(char, (char,))[0] for char in folded))
    forms.add("".join(_PARTS.get(char, (char,))[-1] for char in folded))
    forms.discard(folded)
    return forms
