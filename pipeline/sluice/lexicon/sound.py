"""Text as it sounds: each Han character as its syllable without tone, each Latin letter as itself (v as u).

Characters of the same sound, and a word written in pinyin, become the same letters, so one automaton over them finds a
term whichever of these it was written in. What is found is then compared syllable by syllable: the letters alone would
also find 西安 in 先.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from importlib import resources

from sluice.lexicon.spacing import is_latin

__all__ = [
    "BREAK",
    "HOMOPHONES",
    "LATIN",
    "MARKS_BETWEEN_SYLLABLES",
    "SPELLING",
    "is_spelled",
    "start_by_sound",
    "syllables",
]

BREAK = "|"
"""What a character without a sound becomes; no term has it, so nothing is found across it."""

LATIN = "a"
"""What `HOMOPHONES` makes of every Latin letter."""

MARKS_BETWEEN_SYLLABLES = 3
"""At most, in one gap."""


def _read() -> dict[str, str]:
    lines = resources.files(__package__).joinpath("readings.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split(" ") for line in lines if not line.startswith("#"))
    # ü is folded to u, and typed as v; both are read as u, and so are the syllables.
    return {char: syllable.replace("v", "u") for syllable, chars in pairs for char in chars}


_READINGS = _read()
_SYLLABLE = "|".join(sorted(set(_READINGS.values()), key=lambda s: (-len(s), s)))
_BEGINNINGS = "|".join(
    sorted({s[:n] for s in set(_READINGS.values()) for n in range(1, len(s))}, key=lambda s: -len(s))
)
_SPELLED = re.compile(f"(?:{_SYLLABLE})*(?:{_BEGINNINGS})?")


class _Spelling(dict[int, str]):
    """For `str.translate` of folded text. A mark that may stand between syllables becomes nothing."""

    def __init__(self) -> None:
        super().__init__({ord(char): syllable for char, syllable in _READINGS.items()})
        self.update({code: chr(code) for code in range(ord("a"), ord("z") + 1)})
        self[ord("v")] = "u"
        self.update(dict.fromkeys(map(ord, " .-'’_/+=#&@"), ""))

    def __missing__(self, code: int) -> str:
        sound = "" if unicodedata.category(chr(code)) == "So" else BREAK
        if code < 0x20000:
            self[code] = sound
        return sound


SPELLING = _Spelling()


class _Homophones(dict[int, str]):
    """For `str.translate` of folded text: each Han character as one that stands for all that sound like it, so that
    text without Latin letters is read in a third of the letters; breaks and marks as in `SPELLING`."""

    def __init__(self) -> None:
        super().__init__()
        self._one = {syllable: char for char, syllable in _READINGS.items()}

    def __missing__(self, code: int) -> str:
        sound = SPELLING[code]
        one = LATIN if is_latin(chr(code)) else self._one.get(sound, sound)
        if code < 0x20000:
            self[code] = one
        return one


HOMOPHONES = _Homophones()


def syllables(folded: str) -> tuple[str, ...] | None:
    """The syllables of a folded text of Han characters alone; None where one has no known reading."""
    found = [_READINGS.get(char) for char in folded]
    return None if None in found else tuple(s for s in found if s is not None)


@functools.lru_cache(maxsize=4096)
def is_spelled(letters: str) -> bool:
    """Whether Latin letters are syllables, the last of which may not be complete."""
    return len(letters) <= 64 and _SPELLED.fullmatch(letters) is not None


def start_by_sound(buffer: str, end: int, sounds: tuple[str, ...]) -> int | None:
    """Where the syllables begin that end at `end`; None where they are cut otherwise, or are too far apart."""
    at, marks = end, 0
    for sound in reversed(sounds):
        while at > 0 and not SPELLING[ord(buffer[at - 1])]:
            at -= 1
            marks += 1
            if marks > MARKS_BETWEEN_SYLLABLES:
                return None
        marks = 0
        if at == 0:
            return None
        if is_latin(buffer[at - 1]):
            if buffer[max(at - len(sound), 0) : at].replace("v", "u") != sound:
                return None
            at -= len(sound)
        elif SPELLING[ord(buffer[at - 1])] == sound:
            at -= 1
        else:
            return None
    return at
