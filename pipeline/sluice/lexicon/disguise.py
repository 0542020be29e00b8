"""Ways of writing a term that are put into the automaton beside the term itself.

A way that only replaces single characters costs nothing while text is read: the automaton grows, the work for a
character does not, and what must be held back stays exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from itertools import islice, product

from sluice.lexicon.sound import syllables
from sluice.lexicon.term import MatchChannel

__all__ = ["DISGUISED_FROM_SEVERITY", "SOUND_CHARS", "disguises"]

DISGUISED_FROM_SEVERITY = 2
"""A weak term is only looked for as it is written: its score would not survive the confidence of a disguise."""

SOUND_CHARS = 3
"""Shortest term that is looked for by sound or initials. With two characters 40 % of ordinary posts hit by sound."""

_LONGEST = 12
"""Longest term that is taken apart or abbreviated; whoever disguises a whole sentence changes more of it."""

_TOGETHER = 16
"""Ways of taking all characters of a term apart: all there are for nearly every term of up to four characters."""

_INITIALS = 4
"""Shortest run of initials that is a term: three letters are too often something else (pdf, ktv, dna)."""


_RADICALS = frozenset("氵冫亻扌讠钅饣纟犭忄衤礻艹辶灬刂阝攵疒宀冖彳⺮罒")
"""Parts that are no characters by themselves: what a character looks like, but harder to type (水每 for 氵每)."""


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
    """One character taken apart, in each way there is; and all that can be: as they are drawn, as they are typed, and
    the first of all the other ways together."""
    ways = [_PARTS.get(char, (char,)) for char in folded]
    forms = {folded[:at] + way + folded[at + 1 :] for at, some in enumerate(ways) for way in some}
    for drawn in (True, False):
        forms.add("".join(_way(char, drawn) for char in folded))
    forms.update(map("".join, islice(product(*ways), _TOGETHER)))
    forms.discard(folded)
    return forms


def _way(char: str, drawn: bool) -> str:
    ways = _PARTS.get(char, (char,))
    return next((way for way in ways if _RADICALS.isdisjoint(way) is not drawn), ways[0])
