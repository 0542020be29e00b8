"""Marks between the letters of a term: what they are, and when letters with marks between them are still the term.

Joining letters over marks makes words by accident, so not every gap counts. Marks that no sentence has inside a word
(spaces between Han characters, dots, slashes, emoji) may stand in any gap beside a Han character; marks of clauses
(commas, quotes, line ends) only where every letter is set apart from the next; and between two Latin letters that the
term has together, a mark counts only in that way, too.
"""

from __future__ import annotations

import re

__all__ = [
    "CJK",
    "CLAUSE_MARKS",
    "in_word",
    "is_latin",
    "joining",
    "last_letters",
    "squeeze",
    "start_of_opening",
    "start_of_spaced",
]

CLAUSE_MARKS = frozenset("\n,;:?!()[]{}<>\"'，。、；：？！“”‘’（）《》〈〉「」『』【】…—–")
"""Marks with which ordinary text separates words. After folding, so that most are ASCII."""

_WIDEST = 3
"""Marks in one gap."""

CJK = 0x2E80
"""Scripts from here on are written without spaces, so their characters end a Latin word beside them."""

_REMEMBERED = 0x20000


class _Squeeze(dict[int, str]):
    """For `str.translate`: letters and digits stay, all else goes. Filled as characters are met."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        kept = char if char.isalnum() else ""
        if code < _REMEMBERED:
            self[code] = kept
        return kept


_SQUEEZE = _Squeeze()


def squeeze(folded: str) -> str:
    """The letters and digits of a folded text."""
    return folded if folded.isalnum() else folded.translate(_SQUEEZE)


def in_word(char: str) -> bool:
    """Whether a word in Latin letters or digits goes on over this character."""
    return char.isalnum() and ord(char) < CJK


def is_latin(char: str) -> bool:
    """Whether it is a Latin letter; after folding there are 26."""
    return "a" <= char <= "z"


def joining(clause: frozenset[str]) -> re.Pattern[str]:
    """Finds where letters may be joined over marks: a mark that is not one of clauses, or a letter between marks."""
    marks = re.escape("".join(sorted(clause)))
    return re.compile(rf"[\W_](?:(?<![{marks}])|[^\W_][\W_])")


def start_of_spaced(
    buffer: str, end: int, letters: int, clause: frozenset[str], own: frozenset[int] = frozenset()
) -> int | None:
    """Where a term begins that ends at `end` and has marks in it; None where these gaps do not make one.

    Args:
        buffer: folded text.
        end: one past the term's last letter.
        letters: how many the term has.
        clause: marks of clauses.
        own: before which of its letters the term has marks itself.
    """
    found = _gaps(buffer, end, letters, clause)
    if found is None or not found[1]:
        return None
    at, gaps, clauses = found
    if len(gaps) == letters - 1 and (letters > 2 or not clauses):
        return at
    if clauses or letters < 3:
        return None
    word = squeeze(buffer[at:end])
    return at if all(gap in own or _beside_han(word, gap) for gap in gaps) else None


def last_letters(buffer: str) -> tuple[str, int]:
    """The last two letters over narrow gaps (empty where there are not two), and where the last one is (or -1)."""
    at = end = len(buffer)
    while at and not buffer[at - 1].isalnum():
        at -= 1
    if not at or end - at > _WIDEST:
        return "", -1
    at -= 1
    before = at
    while before and not buffer[before - 1].isalnum():
        before -= 1
    return buffer[before - 1] + buffer[at] if before and at - before <= _WIDEST else "", at


def start_of_opening(buffer: str, letters: int, clause: frozenset[str], gaps_after: frozenset[str]) -> int | None:
    """Where the text ends with the beginning of a term that has marks in it or behind it; None where it does not.

    Args:
        buffer: folded text.
        letters: how many of them the beginning has.
        clause: marks of clauses.
        gaps_after: beginnings behind which a mark may stand although they end with a Latin letter.
    """
    found = _gaps(buffer, len(buffer), letters, clause)
    if found is None or not found[1]:
        return None
    at, gaps, clauses = found
    behind = letters in gaps
    gaps.discard(letters)
    if len(gaps) == letters - 1:
        return at
    word = squeeze(buffer[at:])
    if clauses or (behind and ord(word[-1]) < CJK and word not in gaps_after):
        return None
    return at if all(_beside_han(word, gap) or word[:gap] in gaps_after for gap in gaps) else None


def _gaps(buffer: str, end: int, letters: int, clause: frozenset[str]) -> tuple[int, set[int], bool] | None:
    """Back over so many letters: where the first one is, before which letters there are marks, and whether any is one
    of clauses. None where the text has not so many letters, or a gap is too wide."""
    gaps: set[int] = set()
    clauses = False
    at, left, width = end, letters, 0
    while left:
        at -= 1
        if at < 0:
            return None
        char = buffer[at]
        if char.isalnum():
            left -= 1
            width = 0
            continue
        width += 1
        if width > _WIDEST:
            return None
        gaps.add(left)
        clauses = clauses or char in clause
    return at, gaps, clauses


def _beside_han(word: str, gap: int) -> bool:
    return ord(word[gap - 1]) >= CJK or ord(word[gap]) >= CJK
