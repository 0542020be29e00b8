"""The lexicon as a detector: finds terms in a channel that arrives piece by piece, and holds back exactly as much as
could still become one.

Up to three automata read the same text: as it is folded; without the marks between its letters, while there are any;
and as it sounds. Each keeps its state from piece to piece, and what they find is put in order: nothing is reported
before all that began at or before it is decided. So the findings, their spans and their order are the same for every
way of cutting the text.
"""

from __future__ import annotations

import re
from bisect import insort
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from sluice.contract.decision import Finding
from sluice.lexicon.lexicon import BOUNDARY_LEFT, BOUNDARY_RIGHT, MOST_ENDS, Lexicon, Pattern, as_letters
from sluice.lexicon.segment import segmenter
from sluice.lexicon.sound import BREAK, SPELLING, is_spelled
from sluice.lexicon.spacing import last_letters, squeeze, start_of_opening, start_of_spaced
from sluice.lexicon.term import MatchChannel
from sluice.moderation.detector import Verdict
from sluice.text.fold import FoldCursor

__all__ = ["Hasher", "LexiconScan"]

Hasher = Callable[[str], str]
"""Folded span to its keyed hash."""

_CJK = 0x2E80
"""Scripts from here on are written without spaces, so their characters end a Latin word beside them."""

_LOWERED = 0.6
"""What the score of a hit across the edge of a word is multiplied by: a term of severity 3 then is a weak signal."""

_MARKS_BETWEEN_SYLLABLES = 3

_MANY = 16
"""Findings after which those that lie behind are let go of."""

_AT_ONCE = 256
"""Characters of a piece that are read together."""

_NEAR = 4
"""Characters beside initials in which another letter is looked for."""

_NOT_HAN = re.compile(r"[^\u2e80-\U0010ffff]")


class _Hit(msgspec.Struct, frozen=True, gc=False):
    """A form found in the text, in folded offsets."""

    start: int
    end: int
    pattern: Pattern
    channel: MatchChannel
    score: float


class _Reader:
    """One automaton at its place in one channel."""

    __slots__ = ("_matches", "_read")

    def __init__(self, automaton: Any) -> None:
        self._matches = automaton.iter("")
        self._read = 0

    def read(self, letters: str) -> Iterator[tuple[int, tuple[Pattern, ...]]]:
        """Go on; yields the end of each hit in `letters`. Must be read to its end."""
        matches, before = self._matches, self._read
        self._read = before + len(letters)
        matches.set(letters)  # keeps the automaton's state
        for end, patterns in matches:
            yield end - before + 1, patterns


class LexiconScan:
    """State of one channel. Its text is remembered for `Lexicon.keep` folded characters."""

    __slots__ = (
        "_cursor",
        "_hash",
        "_heard_to",
        "_held",
        "_matches",
        "_read",
        "_reported",
        "_sounds",
        "_spaced",
        "_spaced_for",
        "_tail",
        "_waiting",
        "lexicon",
    )

    def __init__(self, lexicon: Lexicon, hasher: Hasher, offset: int = 0) -> None:
        self.lexicon = lexicon
        """The one it reads with."""
        self._hash = hasher
        self._cursor = FoldCursor(lexicon.keep, offset)
        self._matches = None if lexicon.empty else lexicon.automaton.iter("")
        self._read = 0  # bytes that the automaton has read
        self._sounds = lexicon.sounds.iter("") if lexicon.sounding else None
        self._heard_to = 0  # letters that its automaton has read
        self._spaced: _Reader | None = None  # only while marks are near
        self._spaced_for = 0  # letters after which the last mark is too far back for any term
        self._tail = ""  # the last folded characters, at most Lexicon.keep
        self._held = 0  # folded offset of the first character that is not cleared
        self._waiting: list[_Hit] = []  # hits that what comes next may still undo, in the order of `_order`
        self._reported: list[_Hit] = []  # findings that may still cover later ones

    @property
    def length(self) -> int:
        """Offset in the channel up to which it has been read."""
        return self._cursor.length

    def feed(self, text: str, final: bool = False) -> Verdict:
        """Read the next piece; `final` says that the channel ends with it."""
        if len(text) > _AT_ONCE:
            return self._feed_parts(text, final)
        cursor, lexicon = self._cursor, self.lexicon
        folded = cursor.push(text)
        total = cursor.folded_length
        buffer = self._tail + folded
        if folded and self._matches is not None:
            matches = self._matches
            letters = folded if folded.isascii() else folded.encode("utf-8", "surrogatepass").decode("latin-1")
            matches.set(letters)  # keeps the automaton's state; must be read to its end before the next one
            for end, patterns in matches:
                self._found(end - self._read + 1, letters, patterns, total - len(folded))
            self._read += len(letters)
            sounds = self._sounds
            if sounds is not None:
                spelled = folded.translate(SPELLING)
                sounds.set(spelled)
                for end, patterns in sounds:
                    self._heard(end - self._heard_to + 1, patterns, folded, buffer)
                self._heard_to += len(spelled)
            if self._spaced is not None or (lexicon.noisy and not folded.isalnum()):
                base = len(buffer) - len(folded)
                joined = lexicon.joining.search(buffer, base - 2 if base > 2 else 0) is not None
                if joined or self._spaced is not None:
                    self._read_spaced(folded, buffer, joined)
        if final:
            self._held = total
            findings = self._settle(buffer, total, True) if self._waiting else []
            self._tail = ""
            return Verdict(cursor.length, findings)
        pair = buffer[-2:]
        opened = lexicon.ends.get(pair) if self._spaced is None else None
        held = total - (self._open(buffer, pair) if opened is None else opened)
        if held < self._held:
            held = self._held  # a mark has joined it to letters that were ruled out before
        findings = []
        if self._waiting:
            findings = self._settle(buffer, held, False)
            if self._waiting:
                held = min(held, self._waiting[0].start)
        self._held = held
        self._tail = buffer[-lexicon.keep :]
        return Verdict(held + cursor.length - total if held >= cursor.straight else cursor.origin(held), findings)

    def _feed_parts(self, text: str, final: bool) -> Verdict:
        """A long piece in parts: the work for a hit grows with the piece it is in, so all would take the square."""
        findings: list[Finding] = []
        for start in range(0, len(text), _AT_ONCE):
            part = text[start : start + _AT_ONCE]
            verdict = self.feed(part, final and start + _AT_ONCE >= len(text))
            findings += verdict.findings
        return Verdict(verdict.cleared, findings)

    # Reading

    def _found(self, end: int, letters: str, patterns: tuple[Pattern, ...], before: int) -> None:
        """Hits of the plain automaton that end at a byte of the piece that began at folded offset `before`."""
        if len(letters) != self._cursor.folded_length - before:
            end = len(letters[:end].encode("latin-1").decode("utf-8", "surrogatepass"))
        stop = before + end
        for pattern in patterns:
            start = stop - pattern.length
            channel = pattern.channel
            if self._cursor.skipped(start, stop):
                channel = "noise" if channel == "exact" else channel
            elif channel == "exact" and self._cursor.changed(start, stop):
                channel = "folded"
            self._wait(start, stop, pattern, channel)

    def _wait(self, start: int, end: int, pattern: Pattern, channel: MatchChannel) -> None:
        score = pattern.scores.get(channel)
        if score is not None:
            insort(self._waiting, _Hit(start, end, pattern, channel, score), key=_order)

    def _origin(self, buffer: str) -> int:
        """Folded offset of the first character of the buffer."""
        return self._cursor.folded_length - len(buffer)

    def _heard(self, end: int, patterns: tuple[Pattern, ...], folded: str, buffer: str) -> None:
        """Hits by sound that end at a letter of the spelling of `folded`."""
        index = len(buffer) - len(folded)
        while end > 0:
            end -= len(SPELLING[ord(buffer[index])])
            index += 1
        if end:
            return  # within the syllable of a Han character
        origin = self._origin(buffer)
        for pattern in patterns:
            start = _start_by_sound(buffer, index, pattern.sounds)
            if start is None or (start > 0 and _latin(buffer[start]) and _latin(buffer[start - 1])):
                continue
            if buffer[start:index] != pattern.term.folded:
                self._wait(origin + start, origin + index, pattern, "pinyin")

    def _read_spaced(self, folded: str, buffer: str, joined: bool) -> None:
        """Read without marks, while any over which letters may be joined are within the length of a term; `joined` says
        that there is one in this piece."""
        lexicon = self.lexicon
        base = len(buffer) - len(folded)
        if self._spaced is None:
            self._spaced = _Reader(lexicon.automaton)
            # Whatever ends before here has no mark in it, or only marks that do not count.
            for _ in self._spaced.read(as_letters(squeeze(buffer[:base]))):
                pass
        if joined:
            self._spaced_for = lexicon.longest + len(folded)
        kept = squeeze(folded)
        letters = as_letters(kept)
        for end_letter, patterns in self._spaced.read(letters):
            end = end_letter
            if len(letters) != len(kept):
                end = len(letters[:end].encode("latin-1").decode("utf-8", "surrogatepass"))
            index = base
            while end:
                end -= buffer[index].isalnum()
                index += 1
            for pattern in patterns:
                if pattern.channel not in ("exact", "noise"):
                    continue
                start = start_of_spaced(buffer, index, pattern.length, lexicon.clause_marks, pattern.marks)
                # As it is written it has been found already.
                if start is not None and buffer[start:index] != pattern.term.folded:
                    origin = self._origin(buffer)
                    self._wait(origin + start, origin + index, pattern, "noise")
        self._spaced_for -= len(kept)
        if self._spaced_for <= 0:
            self._spaced = None

    # Holding back

    def _open(self, buffer: str, pair: str) -> int:
        """How many of the last folded characters may be the beginning of something that is not complete yet.

        Nearly always the last two say it, and are remembered with their answer.
        """
        lexicon = self.lexicon
        openings = lexicon.openings
        opened = 0
        by_pair = len(pair) == 2
        lengths = openings.lengths.get(pair)
        if lengths is not None:
            by_pair = False
            opened = _longest_open(buffer, lengths, openings.prefixes)
        if not opened and buffer:
            word = openings.prefixes.get(buffer[-1])
            opened = int(word is False or (word is True and not (len(buffer) > 1 and _in_word(buffer[-2]))))
        if self._sounds is not None and buffer:
            heard, certain = self._open_by_sound(buffer, pair)
            by_pair = by_pair and certain
            opened = max(opened, heard)
        if lexicon.noisy and buffer and (self._spaced is not None or not pair.isalnum()):
            by_pair = by_pair and self._spaced is None and openings.says_over_mark(pair)
            opened = max(opened, self._open_over_marks(buffer))
        if by_pair and len(lexicon.ends) < MOST_ENDS:
            lexicon.ends[pair] = opened
        return opened

    def _open_by_sound(self, buffer: str, pair: str) -> tuple[int, bool]:
        """How many of the last characters may be the beginning of a term by its sound, and whether the last two of them
        are enough to say so."""
        if len(pair) == 2:
            openings = self.lexicon.sound_openings
            before, last = SPELLING[ord(pair[0])], SPELLING[ord(pair[1])]
            if last == BREAK:
                return 0, True
            # Marks that may stand between syllables have no sound, and Latin letters are not syllables yet.
            if last and ord(pair[1]) >= _CJK and (before == BREAK or (before and ord(pair[0]) >= _CJK)):
                lengths = openings.lengths.get((before, last))
                alone = int((last,) in openings.prefixes)
                if lengths is None:
                    return alone, True
                window = buffer[-lengths[0] :]
                heard = [SPELLING[ord(char)] for char in window]
                if "" not in heard and _NOT_HAN.search(window) is None:
                    for length in lengths:
                        if tuple(heard[-length:]) in openings.prefixes:
                            return min(length, len(heard)), False
                    return alone, False
        return self._open_by_spelling(buffer), False

    def _open_by_spelling(self, buffer: str) -> int:
        """How many of the last characters may be the beginning of a term by its sound, looking at them one by one."""
        prefixes = self.lexicon.spelled_prefixes
        spelled, found = "", 0
        at, units, marks = len(buffer), 0, 0
        while at > 0 and units < self.lexicon.most_syllables:
            end = at
            at -= 1
            sound = SPELLING[ord(buffer[at])]
            if sound == BREAK:
                break
            if not sound:
                marks += 1
                if marks > _MARKS_BETWEEN_SYLLABLES:
                    break
                continue
            marks = 0
            if _latin(buffer[at]):
                while at > 0 and _latin(buffer[at - 1]):
                    at -= 1
                sound = buffer[at:end].replace("v", "u")
                if not is_spelled(sound):
                    break
            units += 1
            spelled = sound + spelled
            if spelled in prefixes:
                found = len(buffer) - at
        return found

    def _open_over_marks(self, buffer: str) -> int:
        """How many of the last folded characters may be the beginning of a term with marks between its letters."""
        lexicon = self.lexicon
        openings = lexicon.openings
        pair, last = last_letters(buffer)
        lengths = openings.lengths.get(pair)
        if lengths is not None:
            letters = squeeze(buffer[-4 * lengths[0] :])
            for length in lengths:
                opening = letters[-length:]
                word = openings.prefixes.get(opening) if len(opening) == length else None
                if word is None:
                    continue
                start = start_of_opening(buffer, length, lexicon.clause_marks, lexicon.gaps_after)
                if start is not None and not (word and start > 0 and _in_word(buffer[start - 1])):
                    return len(buffer) - start
        if 0 <= last < len(buffer) - 1:  # a single letter with a mark behind it
            word = openings.prefixes.get(buffer[last])
            if word is False or (word and not (last and _in_word(buffer[last - 1]))):
                return len(buffer) - last
        return 0

    # Deciding

    def _settle(self, buffer: str, open_from: int, final: bool) -> list[Finding]:
        """Report, in order, the hits that nothing later can change."""
        origin = self._origin(buffer)
        waiting, reported = self._waiting, self._reported
        findings = []
        done = 0
        for hit in waiting:
            if hit.start >= open_from and not final:
                break  # a longer term may have begun here or before
            score = _score(hit, buffer, hit.start - origin, final)
            if score is None:
                break
            done += 1
            if len(reported) > _MANY:
                reported[:] = [other for other in reported if other.end > hit.start]
            if score > 0 and not any(_covers(other, hit, score) for other in reversed(reported)):
                hit = msgspec.structs.replace(hit, score=score)
                reported.append(hit)
                findings.append(self._finding(hit, buffer[hit.start - origin : hit.end - origin]))
        del waiting[:done]
        # What is found later begins behind all that is cleared.
        cleared = min(open_from, waiting[0].start) if waiting else open_from
        self._reported = [hit for hit in reported if hit.end > cleared]
        return findings

    def _finding(self, hit: _Hit, span: str) -> Finding:
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
            "tail": self._tail,
            "held": self._held,
            "reported": [(hit.start, hit.end, hit.pattern.rule) for hit in self._reported],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state()` of a scan with the same lexicon, or with another one.

        The automata read the remembered characters again, so they stand where they stood; of what they find, that
        which ends in text not cleared yet and was not reported is decided again.
        """
        self._cursor.restore(state["fold"])
        tail, self._held = state["tail"], state["held"]
        if not tail or self._matches is None:
            return
        total = self._cursor.folded_length
        letters = as_letters(tail)
        self._matches.set(letters)
        for end, patterns in self._matches:
            self._found(end + 1, letters, patterns, total - len(tail))
        self._read = len(letters)
        if self._sounds is not None:
            spelled = tail.translate(SPELLING)
            self._sounds.set(spelled)
            for end, patterns in self._sounds:
                self._heard(end + 1, patterns, tail, tail)
            self._heard_to = len(spelled)
        if self.lexicon.noisy and self.lexicon.joining.search(tail) is not None:
            self._read_spaced(tail, tail, True)
        self._tail = tail[-self.lexicon.keep :]
        known = {tuple(hit) for hit in state["reported"]}
        self._reported = [hit for hit in self._waiting if (hit.start, hit.end, hit.pattern.rule) in known]
        self._waiting = [
            hit for hit in self._waiting if hit.end > self._held and (hit.start, hit.end, hit.pattern.rule) not in known
        ]

    def switched(self, lexicon: Lexicon) -> LexiconScan:
        """The same channel, read with another lexicon from here on. A term of the new one that began before is found
        if it ends in text that is not cleared yet."""
        other = LexiconScan(lexicon, self._hash)
        other.restore(self.state())
        return other


def _order(hit: _Hit) -> tuple[int, int, float, str]:
    return hit.start, -hit.end, -hit.score, hit.pattern.rule


def _covers(other: _Hit, hit: _Hit, score: float) -> bool:
    """Whether `other` says all that `hit` says: then `hit` is not reported."""
    return (
        other.start <= hit.start
        and other.end >= hit.end
        and other.pattern.term.risk == hit.pattern.term.risk
        and other.score >= score
    )


def _in_word(char: str) -> bool:
    return char.isalnum() and ord(char) < _CJK


def _latin(char: str) -> bool:
    return "a" <= char <= "z"


def _longest_open(buffer: str, lengths: tuple[int, ...], prefixes: dict[str, bool]) -> int:
    """Of these lengths, longest first, the first at which the buffer ends with a prefix that may begin there."""
    for length in lengths:
        rest = buffer[-length:]
        word = prefixes.get(rest)
        if word is False or (word and (len(rest) == len(buffer) or not _in_word(buffer[-length - 1]))):
            return len(rest)
    return 0


def _start_by_sound(buffer: str, end: int, sounds: tuple[str, ...]) -> int | None:
    """Where the syllables begin that end at `end`; None where they are cut otherwise, or are too far apart."""
    at, marks = end, 0
    for sound in reversed(sounds):
        while at > 0 and not SPELLING[ord(buffer[at - 1])]:
            at -= 1
            marks += 1
            if marks > _MARKS_BETWEEN_SYLLABLES:
                return None
        marks = 0
        if at == 0:
            return None
        if _latin(buffer[at - 1]):
            if buffer[max(at - len(sound), 0) : at].replace("v", "u") != sound:
                return None
            at -= len(sound)
        elif SPELLING[ord(buffer[at - 1])] == sound:
            at -= 1
        else:
            return None
    return at


def _other_word(text: str, start: int, end: int, own: str) -> bool:
    """Whether a hit by sound is in `[start, end)` because ordinary words there sound like the term.

    A word of several characters speaks against it (measured on ordinary posts: 1.1 % of them are hit without this
    check, 0.07 % with it), unless what it has of the hit is that part of the term itself.
    """
    at = 0
    for word in segmenter().words(text):
        until = at + len(word)
        part = text[max(at, start) : min(until, end)]
        if part and until - at > 1 and ord(word[0]) >= _CJK and part not in own:
            return True
        at = until
    return False


def _score(hit: _Hit, buffer: str, start: int, final: bool) -> float | None:
    """What a hit is worth with the text around it: 0 when it is none, None when that is not certain yet."""
    pattern = hit.pattern
    end = start + hit.end - hit.start
    length = len(buffer)
    latin_sound = bool(pattern.sounds) and _latin(buffer[end - 1])
    if pattern.word or latin_sound:
        if pattern.word and start > 0 and _in_word(buffer[start - 1]):
            return 0.0
        if end == length and not final:
            return None
        if end < length and _in_word(buffer[end]):
            return 0.0
    if hit.channel == "initials":
        beside = _han_beside(buffer, start, end, final)
        if not beside:
            return None if beside is None else 0.0
    if pattern.allow:
        harmless = _harmless(hit, buffer, start, final)
        if harmless is not False:
            return None if harmless is None else 0.0
    spoken = bool(pattern.sounds) and not buffer[start:end].isascii()
    if spoken or (pattern.boundary and hit.channel in ("exact", "folded")):
        if length < end + BOUNDARY_RIGHT and not final:
            return None
        left = max(start - BOUNDARY_LEFT, 0)
        around = buffer[left : end + BOUNDARY_RIGHT]
        if spoken:
            return 0.0 if _other_word(around, start - left, end - left, pattern.term.folded) else hit.score
        if _crosses(around, start - left, end - left):
            return 0.0 if pattern.term.boundary == "need" else round(hit.score * _LOWERED, 4)
    return hit.score


def _han_beside(buffer: str, start: int, end: int, final: bool) -> bool | None:
    """Whether the letter before `start` or behind `end` is Han, or there is none on either side; None while that is not
    certain. Among Latin letters initials are names, codes and words of other languages."""
    before = next((char for char in reversed(buffer[max(start - _NEAR, 0) : start]) if char.isalnum()), "")
    if before >= "\u2e80":
        return True
    behind = next((char for char in buffer[end : end + _NEAR] if char.isalnum()), "")
    if not behind and len(buffer) < end + _NEAR and not final:
        return None
    return behind >= "\u2e80" or not (before or behind)


def _harmless(hit: _Hit, buffer: str, start: int, final: bool) -> bool | None:
    """Whether the hit stands in one of its term's harmless contexts; None while that is not certain."""
    noisy = hit.channel == "noise"
    if noisy:
        before = squeeze(buffer[:start])
        buffer, start = before + squeeze(buffer[start:]), len(before)
    undecided = False
    for context, offset in hit.pattern.allow:
        wanted = squeeze(context) if noisy else context
        begin = start - (len(squeeze(context[:offset])) if noisy else offset)
        if begin < 0:
            continue
        seen = buffer[begin : begin + len(wanted)]
        if seen == wanted:
            return True
        undecided = undecided or wanted.startswith(seen)
    return None if undecided and not final else False


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
