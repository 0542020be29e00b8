"""The lexicon as a detector: finds terms in a channel that arrives piece by piece, and holds back exactly as much as
could still become one.

What is held back is read again with the next piece, and nothing else is: whatever is found later begins in it, so no
automaton has a state to keep. Up to three automata read it: as it is folded; without the marks between its letters,
where there are any; and as it sounds. What they find is put in order: nothing is reported before all that began at or
before it is decided. So the findings, their spans and their order are the same for every way of cutting the text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sluice.contract.decision import Finding
from sluice.lexicon.hits import Hit, Hits
from sluice.lexicon.lexicon import Lexicon, Pattern, as_letters, characters
from sluice.lexicon.openings import held_back
from sluice.lexicon.sound import HOMOPHONES, LATIN, SPELLING, start_by_sound
from sluice.lexicon.spacing import is_latin, squeeze, start_of_spaced
from sluice.lexicon.term import MatchChannel
from sluice.moderation.detector import Verdict
from sluice.text.fold import FoldCursor

__all__ = ["Hasher", "LexiconScan"]

Hasher = Callable[[str], str]
"""Folded span to its keyed hash."""

_AT_ONCE = 256
"""Characters of a piece that are read together."""

_PIECES = 16
"""Pieces of remembered text after which they are joined: text is remembered at every delta, and seldom asked for."""


class LexiconScan:
    """State of one channel. Its text is remembered for `Lexicon.keep` folded characters."""

    __slots__ = ("_cleared", "_cursor", "_hash", "_open", "_pieces", "_waiting", "lexicon")

    def __init__(self, lexicon: Lexicon, hasher: Hasher, offset: int = 0) -> None:
        self.lexicon = lexicon
        """The one it reads with."""
        self._hash = hasher
        self._cursor = FoldCursor(lexicon.keep, offset)
        self._pieces: list[str] = []  # the last folded characters, at least Lexicon.keep
        self._open = ""  # those at their end that are read again, as something may have begun there
        self._cleared = 0  # folded offset of what was cleared before it went on from a state
        self._waiting: Hits | None = None  # only while there are any

    @property
    def length(self) -> int:
        """Offset in the channel up to which it has been read."""
        return self._cursor.length

    def feed(self, text: str, final: bool = False) -> Verdict:
        """Read the next piece; `final` says that the channel ends with it."""
        if len(text) > _AT_ONCE:
            return self._feed_parts(text, final)
        lexicon, cursor, pieces, before = self.lexicon, self._cursor, self._pieces, self._open
        folded = cursor.push(text)
        if len(pieces) > _PIECES:
            pieces[:] = ["".join(pieces)[-lexicon.keep :]]
        pieces.append(folded)
        region = before + folded
        joined, heard = self._find(region, len(before))
        if final:
            return self._settle(region, cursor.folded_length, True)
        end = region[-2:]
        known = lexicon.ends.get(end) if not joined or end.isalnum() else None
        opened = held_back(lexicon, region, heard, self._before, joined) if known is None else known
        held = cursor.folded_length - opened
        if self._waiting is not None or held < self._cleared:
            return self._settle(region, held, False)
        self._open = region[-opened:] if opened else ""
        return Verdict(held + cursor.shift if held >= cursor.straight else cursor.origin(held))

    def _feed_parts(self, text: str, final: bool) -> Verdict:
        """A long piece in parts: the work for a hit grows with the piece it is in, so all would take the square."""
        findings: list[Finding] = []
        for start in range(0, len(text), _AT_ONCE):
            part = text[start : start + _AT_ONCE]
            verdict = self.feed(part, final and start + _AT_ONCE >= len(text))
            findings += verdict.findings
        return Verdict(verdict.cleared, findings)

    # Reading

    def _find(self, region: str, known: int) -> tuple[bool, str]:
        """Look for hits in what was held back and what came behind it, those that end behind its first `known`
        characters. Returns whether letters in it may be joined over marks, and its homophones if it was listened to."""
        lexicon = self.lexicon
        letters = region if region.isascii() else region.encode("utf-8", "surrogatepass").decode("latin-1")
        for last, patterns in lexicon.find(letters):
            end = last + 1 if len(letters) == len(region) else characters(letters, last + 1)
            if end > known:
                self._found(end, patterns, region)
        heard = ""
        if lexicon.sounding:
            heard = region.translate(HOMOPHONES)
            if LATIN not in heard:
                for last, patterns in lexicon.find_homophones(heard):
                    self._heard(last + 1, patterns, HOMOPHONES, region, known)
            else:
                for last, patterns in lexicon.find_spelled(region.translate(SPELLING)):
                    self._heard(last + 1, patterns, SPELLING, region, known)
        if not lexicon.noisy or region.isalnum() or lexicon.joining.search(region) is None:
            return False, heard
        self._find_spaced(region, known)
        return True, heard

    def _found(self, end: int, patterns: tuple[Pattern, ...], region: str) -> None:
        """Hits as they are written that end at `end` of the region."""
        cursor = self._cursor
        stop = cursor.folded_length - len(region) + end
        for pattern in patterns:
            start = stop - pattern.length
            channel = pattern.channel
            if cursor.skipped(start, stop):
                channel = "noise" if channel == "exact" else channel
            elif channel == "exact" and cursor.changed(start, stop):
                channel = "folded"
            self._wait(start, stop, pattern, channel)

    def _heard(
        self, end: int, patterns: tuple[Pattern, ...], sounds: Mapping[int, str], region: str, known: int
    ) -> None:
        """Hits by sound that end at a letter of what `sounds` makes of the region."""
        index = 0
        while end > 0:
            end -= len(sounds[ord(region[index])])
            index += 1
        if end or index <= known:
            return  # within the syllable of a Han character
        origin = self._cursor.folded_length - len(region)
        for pattern in patterns:
            start = start_by_sound(region, index, pattern.sounds)
            if start is None or (is_latin(region[start]) and is_latin(region[start - 1] if start else self._before())):
                continue
            if region[start:index] != pattern.term.folded:
                self._wait(origin + start, origin + index, pattern, "pinyin")

    def _find_spaced(self, region: str, known: int) -> None:
        """Look for hits with marks between their letters."""
        lexicon = self.lexicon
        kept = squeeze(region)
        letters = as_letters(kept)
        origin = self._cursor.folded_length - len(region)
        for last, patterns in lexicon.find(letters):
            left = last + 1 if len(letters) == len(kept) else characters(letters, last + 1)
            index = 0
            while left:
                left -= region[index].isalnum()
                index += 1
            if index <= known:
                continue
            for pattern in patterns:
                if pattern.channel not in ("exact", "noise"):
                    continue
                start = start_of_spaced(region, index, pattern.length, lexicon.clause_marks, pattern.marks)
                # As it is written it has been found already.
                if start is not None and region[start:index] != pattern.term.folded:
                    self._wait(origin + start, origin + index, pattern, "noise")

    def _wait(self, start: int, end: int, pattern: Pattern, channel: MatchChannel) -> None:
        score = pattern.scores.get(channel)
        if score is not None:
            if self._waiting is None:
                self._waiting = Hits()
            self._waiting.add(Hit(start, end, pattern, channel, score))

    def _before(self) -> str:
        """The character before those that are read."""
        back = len(self._open)
        for piece in reversed(self._pieces[:-1]):
            if back < len(piece):
                return piece[-back - 1]
            back -= len(piece)
        return ""

    # Deciding

    def _settle(self, region: str, held: int, final: bool) -> Verdict:
        """Report the hits that nothing later can change; `held` is the first character that is held back."""
        cursor, hits = self._cursor, self._waiting
        total = cursor.folded_length
        findings: list[Finding] = []
        if hits is not None:
            buffer = "".join(self._pieces)[-self.lexicon.keep - len(region) :]
            origin = total - len(buffer)
            settled = hits.settle(buffer, origin, held, final)
            findings = [self._finding(hit, buffer[hit.start - origin : hit.end - origin]) for hit in settled]
            if hits:
                held = min(held, hits.start)
            elif not hits.reported:
                self._waiting = None
        self._open = region[held - total + len(region) :]
        if final:
            self._pieces.clear()
        return Verdict(cursor.origin(max(held, self._cleared)), findings)

    def _finding(self, hit: Hit, span: str) -> Finding:
        cursor, term = self._cursor, hit.pattern.term
        return Finding(
            risk=term.risk,
            source="lexicon",
            rule=hit.pattern.rule,
            score=hit.score,
            start=cursor.origin(hit.start),
            end=cursor.origin(hit.end - 1) + 1,
            attribute=term.attribute,
            matched=hit.channel,
            text_hash=self._hash(span),
            hint=term.hint,
        )

    # Going on elsewhere

    def state(self) -> dict[str, Any]:
        """What `restore` needs, as plain values; bounded by `Lexicon.keep`."""
        return {
            "fold": self._cursor.state(),
            "tail": "".join(self._pieces)[-self.lexicon.keep :],
            "held": max(self._cursor.folded_length - len(self._open), self._cleared),
            "reported": self._waiting.reported if self._waiting is not None else [],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state()` of a scan with the same lexicon, or with another one.

        The remembered characters are read again; of what is found in them, that which ends in text not cleared yet and
        was not reported is decided again.
        """
        self._cursor.restore(state["fold"])
        tail, self._cleared = state["tail"], state["held"]
        self._pieces = [tail]
        self._find(tail, 0)
        if self._waiting is not None:
            self._waiting.take_over(self._cleared, map(tuple, state["reported"]))
        self._open = tail  # the first time, a beginning of the other lexicon may lie in all of it

    def switched(self, lexicon: Lexicon) -> LexiconScan:
        """The same channel, read with another lexicon from here on. A term of the new one that began before is found
        if it ends in text that is not cleared yet."""
        other = LexiconScan(lexicon, self._hash)
        other.restore(self.state())
        return other
