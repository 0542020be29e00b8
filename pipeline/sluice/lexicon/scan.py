"""The lexicon as a detector: finds terms in a channel that arrives piece by piece, and holds back exactly as much as
could still become one.

The findings, their spans and the final watermark are the same for every way of cutting the text.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from typing import Any

from sluice.contract.decision import Finding
from sluice.lexicon.lexicon import Lexicon, Pattern, as_letters
from sluice.moderation.detector import Verdict
from sluice.text.fold import FoldCursor

__all__ = ["Hasher", "LexiconScan"]

Hasher = Callable[[str], str]
"""Folded span to its keyed hash."""

_NOT_YET = -1
_NEVER = -2

_CJK = 0x2E80
"""Scripts from here on are written without spaces, so their characters end a Latin word beside them."""


class LexiconScan:
    """State of one channel. Its text is remembered for `Lexicon.keep` folded characters."""

    __slots__ = ("_base", "_cursor", "_hash", "_lexicon", "_matches", "_open", "_tail", "_waiting")

    def __init__(self, lexicon: Lexicon, hasher: Hasher, offset: int = 0) -> None:
        self._lexicon = lexicon
        self._hash = hasher
        self._cursor = FoldCursor(lexicon.keep, offset)
        self._matches = None if lexicon.empty else lexicon.automaton.iter("")
        self._base = 0  # bytes that the automaton had read when its current iterator was made
        self._tail = ""  # the last folded characters, at most Lexicon.keep
        self._open = 0  # folded offset: a term may have begun here or later
        self._waiting: list[tuple[int, int, Pattern]] = []  # hits that the next characters may still undo

    @property
    def length(self) -> int:
        """Offset in the channel up to which it has been read."""
        return self._cursor.length

    def feed(self, text: str, final: bool = False) -> Verdict:
        """Read the next piece; `final` says that the channel ends with it."""
        cursor, lexicon = self._cursor, self._lexicon
        before = cursor.folded_length
        folded = cursor.push(text)
        buffer = self._tail + folded
        origin = before - len(self._tail)  # folded offset of buffer[0]
        if folded:
            self._match(folded, before)
        findings: list[Finding] = []
        if self._waiting:
            findings = self._settle(buffer, origin, final)
        if final:
            self._tail, self._open = "", cursor.folded_length
            return Verdict(cursor.length, findings)
        self._open = held = self._first_open(buffer, origin)
        if self._waiting:
            held = min(held, self._waiting[0][0])
        self._tail = buffer[-lexicon.keep :]
        cleared = cursor.origin(held)
        cursor.forget()
        return Verdict(cleared, findings)

    def _match(self, folded: str, before: int) -> None:
        matches = self._matches
        if matches is None:
            return
        letters = as_letters(folded)
        matches.set(letters)  # keeps the automaton's state; the iterator must be read to its end before the next one
        for end_letter, patterns in matches:
            end = end_letter - self._base + 1
            if len(letters) != len(folded):
                end = len(letters[:end].encode("latin-1").decode("utf-8", "surrogatepass"))
            for pattern in patterns:
                insort(self._waiting, (before + end - pattern.length, before + end, pattern), key=_span)
        self._base += len(letters)

    def _settle(self, buffer: str, origin: int, final: bool) -> list[Finding]:
        """Take out of the waiting hits those that nothing later can change; the confirmed ones are findings."""
        settled: list[tuple[int, int, int, Pattern]] = []
        waiting: list[tuple[int, int, Pattern]] = []
        for start, end, pattern in self._waiting:
            at = _settled_at(buffer, start - origin, pattern, final)
            if at == _NOT_YET:
                waiting.append((start, end, pattern))
            elif at != _NEVER:
                settled.append((at + origin, end, start, pattern))
        self._waiting = waiting
        # In the order in which the text made them certain, so that the first one is the same for every cutting.
        settled.sort(key=lambda hit: (*hit[:3], hit[3].rule))
        return [self._finding(start, end, p, buffer[start - origin : end - origin]) for _, end, start, p in settled]

    def _finding(self, start: int, end: int, pattern: Pattern, span: str) -> Finding:
        cursor, term = self._cursor, pattern.term
        return Finding(
            risk=term.risk,
            source="lexicon",
            rule=pattern.rule,
            score=term.score,
            start=cursor.origin(start),
            end=cursor.origin(end - 1) + 1,
            attribute=term.attribute,
            matched="folded" if cursor.changed(start, end) else "exact",
            text_hash=self._hash(span),
        )

    def _first_open(self, buffer: str, origin: int) -> int:
        """Folded offset of the first character that may be the start of a term not yet complete.

        It never moves back: what cannot be a term's start now cannot become one by more text behind it.
        """
        lexicon = self._lexicon
        first, prefixes, word_prefixes = lexicon.first, lexicon.prefixes, lexicon.word_prefixes
        length = len(buffer)
        for at in range(max(self._open - origin, length - lexicon.longest + 1, 0), length):
            if buffer[at] in first:
                rest = buffer[at:]
                if rest in prefixes or (rest in word_prefixes and (at == 0 or not _in_word(buffer[at - 1]))):
                    return origin + at
        return origin + length

    def state(self) -> dict[str, Any]:
        """What `restore` needs, as plain values; bounded by `Lexicon.keep`."""
        return {
            "fold": self._cursor.state(),
            "tail": self._tail,
            "open": self._open,
            "waiting": [(start, end, p.rule) for start, end, p in self._waiting],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state()` of a scan with the same lexicon, or with a newer one.

        The automaton reads the remembered characters again, so it stands where it stood. A hit that was waiting and
        whose rule is no longer in the lexicon is forgotten.
        """
        self._cursor.restore(state["fold"])
        self._tail, self._open = state["tail"], state["open"]
        known = {(start, end, rule) for start, end, rule in state["waiting"]}
        if self._tail:
            self._match(self._tail, self._cursor.folded_length - len(self._tail))
            self._waiting = [hit for hit in self._waiting if (hit[0], hit[1], hit[2].rule) in known]


def _span(hit: tuple[int, int, Pattern]) -> tuple[int, int]:
    return hit[0], hit[1]


def _in_word(char: str) -> bool:
    return char.isalnum() and ord(char) < _CJK


def _settled_at(buffer: str, start: int, pattern: Pattern, final: bool) -> int:
    """Offset in `buffer` at which a hit at `start` becomes certain, or `_NOT_YET`, or `_NEVER` when it is none."""
    end = start + pattern.length
    length = len(buffer)
    at = end
    if pattern.word:
        if start > 0 and _in_word(buffer[start - 1]):
            return _NEVER
        if end < length:
            if _in_word(buffer[end]):
                return _NEVER
            at = end + 1
        elif final:
            at = length + 1
        else:
            return _NOT_YET
    undecided = False
    for context, offset in pattern.allow:
        begin = start - offset
        if begin < 0:
            continue
        seen = buffer[begin : begin + len(context)]
        if seen == context:
            return _NEVER
        if context.startswith(seen):
            undecided = True
        else:
            at = max(at, begin + _common(seen, context) + 1)
    if undecided:
        return length + 1 if final else _NOT_YET
    return at


def _common(a: str, b: str) -> int:
    n = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        n += 1
    return n
