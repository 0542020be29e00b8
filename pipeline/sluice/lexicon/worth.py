"""What a hit is worth with the text around it: words that it crosses, harmless contexts, letters beside it."""

from __future__ import annotations

from sluice.lexicon.lexicon import BOUNDARY_LEFT, BOUNDARY_RIGHT, Pattern
from sluice.lexicon.segment import segmenter
from sluice.lexicon.spacing import CJK, in_word, is_latin, squeeze
from sluice.lexicon.term import MatchChannel

__all__ = ["worth"]

_LOWERED = 0.6
"""What the score of a hit across the edge of a word is multiplied by: a term of severity 3 then is a weak signal."""

_NEAR = 4
"""Characters beside initials in which another letter is looked for."""


def worth(
    pattern: Pattern, channel: MatchChannel, score: float, buffer: str, start: int, end: int, final: bool
) -> float | None:
    """The score of the hit of `pattern` in `[start, end)`: 0 when it is none, None when that is not certain yet.

    Args:
        pattern: the form that was found.
        channel: the channel it was found on.
        score: what it is worth whatever is around it.
        buffer: the folded text that is remembered.
        start: in the buffer.
        end: in the buffer.
        final: whether the text ends with the buffer.
    """
    length = len(buffer)
    latin_sound = bool(pattern.sounds) and is_latin(buffer[end - 1])
    if pattern.word or latin_sound:
        if pattern.word and start > 0 and in_word(buffer[start - 1]):
            return 0.0
        if end == length and not final:
            return None
        if end < length and in_word(buffer[end]):
            return 0.0
    if channel == "initials":
        beside = _han_beside(buffer, start, end, final)
        if not beside:
            return None if beside is None else 0.0
    if pattern.allow:
        harmless = _harmless(pattern, channel == "noise", buffer, start, final)
        if harmless is not False:
            return None if harmless is None else 0.0
    spoken = bool(pattern.sounds) and not buffer[start:end].isascii()
    if spoken or (pattern.boundary and channel in ("exact", "folded")):
        if length < end + BOUNDARY_RIGHT and not final:
            return None
        left = max(start - BOUNDARY_LEFT, 0)
        around = buffer[left : end + BOUNDARY_RIGHT]
        if spoken:
            return 0.0 if _other_word(around, start - left, end - left, pattern.term.folded) else score
        if _crosses(around, start - left, end - left):
            return 0.0 if pattern.term.boundary == "need" else round(score * _LOWERED, 4)
    return score


def _han_beside(buffer: str, start: int, end: int, final: bool) -> bool | None:
    """Whether the letter before `start` or behind `end` is Han, or there is none on either side; None while that is not
    certain. Among Latin letters initials are names, codes and words of other languages."""
    before = next((char for char in reversed(buffer[max(start - _NEAR, 0) : start]) if char.isalnum()), "")
    if before >= chr(CJK):
        return True
    behind = next((char for char in buffer[end : end + _NEAR] if char.isalnum()), "")
    if not behind and len(buffer) < end + _NEAR and not final:
        return None
    return behind >= chr(CJK) or not (before or behind)


def _harmless(pattern: Pattern, noisy: bool, buffer: str, start: int, final: bool) -> bool | None:
    """Whether the hit stands in one of its term's harmless contexts; None while that is not certain."""
    if noisy:
        before = squeeze(buffer[:start])
        buffer, start = before + squeeze(buffer[start:]), len(before)
    undecided = False
    for context, offset in pattern.allow:
        wanted = squeeze(context) if noisy else context
        begin = start - (len(squeeze(context[:offset])) if noisy else offset)
        if begin < 0:
            continue
        seen = buffer[begin : begin + len(wanted)]
        if seen == wanted:
            return True
        undecided = undecided or wanted.startswith(seen)
    return None if undecided and not final else False


def _other_word(text: str, start: int, end: int, own: str) -> bool:
    """Whether a hit by sound is in `[start, end)` because ordinary words there sound like the term.

    A word of several characters speaks against it (measured on ordinary posts: 1.1 % of them are hit without this
    check, 0.07 % with it), unless what it has of the hit is that part of the term itself.
    """
    at = 0
    for word in segmenter().words(text):
        until = at + len(word)
        part = text[max(at, start) : min(until, end)]
        if part and until - at > 1 and ord(word[0]) >= CJK and part not in own:
            return True
        at = until
    return False


def _crosses(text: str, start: int, end: int) -> bool:
    """Whether a word reaches over an edge of `[start, end)` and does not hold all of it. One that does, as a compound,
    says nothing about the term: that is what harmless contexts are for."""
    at = 0
    for word in segmenter().words(text):
        until = at + len(word)
        if at < start < until < end or start < at < end < until:
            return True
        at = until
    return False
