"""How much of the end of a text may be the beginning of something that is not complete yet, and must be held back.

A beginning is one of a form as it is written, of its letters with marks between them, or of its sound. Only the text
that was held back so far and what came behind it is looked at: a beginning further to the front would have been held
back, too. So the answer follows from the last characters alone, nearly always from the last two, and then it is
remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from sluice.lexicon.sound import BREAK, HOMOPHONES, LATIN, MARKS_BETWEEN_SYLLABLES, SPELLING, is_spelled
from sluice.lexicon.spacing import in_word, is_latin, last_letters, squeeze, start_of_opening

if TYPE_CHECKING:
    from sluice.lexicon.lexicon import Lexicon

__all__ = ["MOST_ENDS", "Before", "Openings", "held_back"]

MOST_ENDS = 100_000
"""Entries of `Lexicon.ends`; about 10 MB."""

Before = Callable[[], str]
"""The character before the text, or nothing; seldom asked for."""


class Openings:
    """Which ends of a text may be the beginning of a form that is not complete yet."""

    def __init__(self, forms: Iterable[tuple[str, bool]]) -> None:
        """From forms, each with whether it can only begin where a word begins."""
        self.prefixes: dict[str, bool] = {}
        """Proper prefixes of forms; the value as in the argument, False where one form may begin anywhere."""
        for form, word in forms:
            for length in range(1, len(form)):
                prefix = form[:length]
                self.prefixes[prefix] = self.prefixes.get(prefix, True) and word
        by_end: dict[str, set[int]] = {}
        for prefix in self.prefixes:
            if len(prefix) > 1:
                by_end.setdefault(prefix[-2:], set()).add(len(prefix))
        # Asked after every delta. Nearly always the last two characters end no prefix, and one look says so.
        shared: dict[tuple[int, ...], tuple[int, ...]] = {}
        self.lengths: dict[str, tuple[int, ...]] = {}
        """By the last two characters: lengths of the prefixes that end with them, longest first."""
        for end, lengths in by_end.items():
            ordered = tuple(sorted(lengths, reverse=True))
            self.lengths[end] = shared.setdefault(ordered, ordered)
        self._last = frozenset(end[1] for end in by_end)

    def longest(self, text: str, before: Before) -> tuple[int, bool]:
        """The length of the longest beginning that the text ends with, and whether its last two characters are enough
        to say so."""
        prefixes = self.prefixes
        end = text[-2:]
        lengths = self.lengths.get(end)
        certain = True
        if lengths is not None:
            if lengths[0] > 2:
                certain = False
                if text[-3:-1] not in self.lengths:  # all prefixes of a prefix are there
                    lengths = lengths[-1:] if lengths[-1] == 2 else ()
            elif prefixes[end]:
                certain = False
            for length in lengths:
                if length <= len(text):
                    word = prefixes.get(text[-length:])
                    if word is False or (word and not _within_word(text, len(text) - length, before)):
                        return length, certain
        word = prefixes.get(text[-1])
        if not word:
            return int(word is not None), certain
        return int(not _within_word(text, len(text) - 1, before)), certain and len(text) > 1

    def deciding(self, text: str) -> int:
        """How many of the last characters tell alone what is open over the marks of clauses in the last two; 0 if not
        even three do. No letter of the text is set apart by marks on both sides."""
        mark, last = text[-2:-1], text[-1]
        if mark.isalnum():
            return 2 if self.prefixes.get(mark) is not True else 0
        if last.isalnum() and last not in self._last:
            return 2
        letter = text[-3:-2]
        if not letter.isalnum():
            return 0
        opening = letter + last if last.isalnum() else letter
        return 3 if self.prefixes.get(opening) is not True else 0


def held_back(lexicon: Lexicon, text: str, heard: str, before: Before, joined: bool) -> int:
    """How many of the last characters may be the beginning of something.

    Args:
        lexicon: what is looked for.
        text: folded, not empty.
        heard: its homophones, if terms are looked for by sound.
        before: see there.
        joined: whether letters in it may be joined over marks.
    """
    over_marks = lexicon.noisy and (joined or not text[-2:].isalnum())
    if over_marks and not joined:
        known = lexicon.ends.get(text[-3:])
        if known is not None:
            return known
    opened, certain = lexicon.openings.longest(text, before)
    if lexicon.sounding:
        by_sound, sure = _by_sound(lexicon, text, heard, before)
        certain = certain and sure
        opened = max(opened, by_sound)
    deciding = 2
    if over_marks:
        opened = max(opened, _over_marks(lexicon, text, before))
        deciding = 0 if joined else lexicon.openings.deciding(text)
    if certain and deciding and len(lexicon.ends) < MOST_ENDS:
        lexicon.ends[text[-deciding:]] = opened
    return opened


def _by_sound(lexicon: Lexicon, text: str, heard: str, before: Before) -> tuple[int, bool]:
    """As `Openings.longest`, for forms by their sound."""
    openings = lexicon.sound_openings
    if len(heard) == len(text) and LATIN not in heard:
        return openings.longest(heard, before)
    # Marks that may stand between syllables have no sound, and Latin letters are not syllables yet.
    end = text[-2:].translate(HOMOPHONES)
    if end[-1:] == BREAK:
        return 0, True
    if len(end) == len(text[-2:]) and LATIN not in end and end not in openings.lengths:
        return int(end[-1] in openings.prefixes), True
    return _by_spelling(lexicon, text, before), False


def _by_spelling(lexicon: Lexicon, text: str, before: Before) -> int:
    """The answer for forms by their sound, looking at the characters one by one."""
    prefixes = lexicon.spelled_prefixes
    spelled, found = "", 0
    at, units, marks = len(text), 0, 0
    while at > 0 and units < lexicon.most_syllables:
        end = at
        at -= 1
        sound = SPELLING[ord(text[at])]
        if sound == BREAK:
            break
        if not sound:
            marks += 1
            if marks > MARKS_BETWEEN_SYLLABLES:
                break
            continue
        marks = 0
        if is_latin(text[at]):
            while at > 0 and is_latin(text[at - 1]):
                at -= 1
            sound = text[at:end].replace("v", "u")
            if not is_spelled(sound) or (at == 0 and is_latin(before())):
                break
        units += 1
        spelled = sound + spelled
        if spelled in prefixes:
            found = len(text) - at
    return found


def _over_marks(lexicon: Lexicon, text: str, before: Before) -> int:
    """The answer for forms with marks between their letters."""
    openings = lexicon.openings
    pair, last = last_letters(text)
    lengths = openings.lengths.get(pair)
    if lengths is not None:
        letters = squeeze(text[-4 * lengths[0] :])
        for length in lengths:
            opening = letters[-length:]
            word = openings.prefixes.get(opening) if len(opening) == length else None
            if word is None:
                continue
            start = start_of_opening(text, length, lexicon.clause_marks, lexicon.gaps_after)
            if start is not None and not (word and _within_word(text, start, before)):
                return len(text) - start
    if 0 <= last < len(text) - 1:  # a single letter with a mark behind it
        word = openings.prefixes.get(text[last])
        if word is False or (word and not _within_word(text, last, before)):
            return len(text) - last
    return 0


def _within_word(text: str, at: int, before: Before) -> bool:
    """Whether a word in Latin letters goes on over `at`."""
    char = text[at - 1] if at else before()
    return char != "" and in_word(char)
