"""Folding: different ways of writing the same text become one, character by character.

Each character is folded by itself, whatever stands beside it, so any way of cutting a text into deltas folds to
the same result. Dictionary and text go through the same function.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from importlib import resources
from itertools import pairwise

__all__ = ["FOLD_VERSION", "NOISE", "FoldCursor", "fold_text"]

FOLD_VERSION = "fold-2"
"""Changes whenever `fold_text` gives another result for any text; models and lexicons pin it."""

NOISE = frozenset("*_~^`|\\•·・●○◆◇■□★☆※")
"""Marks that people put between the characters of a word to hide it; ordinary text loses nothing without them.

Space, hyphen, full stop and slash are not among them: joining words over those makes new words by accident.
"""

_INVISIBLE = frozenset("\u115f\u1160\u3164\uffa0\u2800")
"""Fillers that are letters or signs by their category, and show nothing."""

_KEPT = {"\n": "\n", "\r": "\n", "\t": " ", "…": "…"}
"""`…` would fold to three full stops, and it is common in Chinese text."""

_STYLED = re.compile(
    r"(?:NEGATIVE |CROSSED |DOUBLE )*(?:CIRCLED|SQUARED|PARENTHESIZED|REGIONAL INDICATOR SYMBOL)"
    r" (?:LATIN )?(?:CAPITAL |SMALL )?LETTER ([A-Z])"
)
"""Names of letters that NFKC leaves as they are, or puts between brackets."""

_LOOK_ALIKE = str.maketrans("аеорсухіѕјһԁԛԝӏɡɑıαοινυκρ", "aeopcyxisjhdqwlgaiaoivukp")
"""Cyrillic, Greek and phonetic letters that are drawn like a Latin one (Unicode's confusables, the plain ones)."""

_NUMERALS = str.maketrans("壹贰叁柒捌玖", "一二三七八九")
"""Numerals for cheques, except those that are everyday characters too (肆, 伍, 陆, 拾)."""


def _read_simplified() -> dict[int, str]:
    lines = resources.files(__package__).joinpath("simplified.txt").read_text(encoding="utf-8").splitlines()
    return {ord(char): line[0] for line in lines if not line.startswith("#") for char in line[1:]}


_SIMPLIFIED = _read_simplified()


def _fold_char(char: str) -> str:
    kept = _KEPT.get(char)
    if kept is not None:
        return kept
    if char in NOISE:
        return ""
    folded = unicodedata.normalize("NFKC", _plain(char)).casefold()
    if any(unicodedata.combining(c) for c in unicodedata.normalize("NFD", folded)):
        bare = "".join(c for c in unicodedata.normalize("NFD", folded) if not unicodedata.combining(c))
        folded = unicodedata.normalize("NFC", bare)
    folded = folded.translate(_SIMPLIFIED).translate(_LOOK_ALIKE).translate(_NUMERALS)
    return "".join(_fold_kind(c) for c in folded)


def _plain(char: str) -> str:
    """The letter or number inside a circle, square or pair of brackets."""
    if char < "\u2460":
        return char
    if unicodedata.category(char) == "No":
        # The value, where it is one digit; NFKC would give `(1)` for ⑴ and leave ❶.
        digit = unicodedata.digit(char, None)
        if digit is not None:
            return str(digit)
    styled = _STYLED.fullmatch(unicodedata.name(char, ""))
    if styled:
        return styled[1]
    inner = unicodedata.normalize("NFKC", char)
    return inner[1] if len(inner) == 3 and inner[0] == "(" and inner[2] == ")" else char


def _fold_kind(char: str) -> str:
    kind = unicodedata.category(char)
    if (
        char in NOISE or char in _INVISIBLE or kind in ("Cf", "Cc", "Mn", "Me")
    ):  # zero-width, direction marks, controls, variation selectors
        return ""
    return " " if kind == "Zs" else char


class _FoldTable(dict[int, str]):
    """For `str.translate`; filled as characters are met. Only assigned ones are kept, so it stays below 200,000."""

    def __missing__(self, code: int) -> str:
        folded = self.fold(chr(code))
        if unicodedata.category(chr(code)) not in ("Cn", "Co", "Cs"):
            self[code] = folded
        return folded

    def fold(self, char: str) -> str:
        return _fold_char(char)


class _FastTable(_FoldTable):
    """The same, but with `_RESIZED` for each character that folds to none or to several."""

    def fold(self, char: str) -> str:
        folded = _fold_char(char)
        return folded if len(folded) == 1 else _RESIZED


_RESIZED = "\uffff"
"""Never assigned. A text that has it goes the slow way, with the same result."""

_HAN = range(0x4E00, 0xA000)
_SIGNS = (*map(chr, range(0x20, 0x7F)), *"\n、。“”‘’《》「」【】…—")


def _not_plain() -> re.Pattern[str]:
    """Finds a character that may fold to another: any but Han and signs that stay as they are. One search over a piece
    costs a quarter of translating it, and nearly all text is plain.
    """
    folding = _SIMPLIFIED.keys() | _NUMERALS.keys()
    plain = [*(c for c in _SIGNS if _fold_char(c) == c), *(chr(code) for code in _HAN if code not in folding)]
    return re.compile(f"[^{re.escape(''.join(plain))}]")


_may_fold = _not_plain().search

_CROWDED = 64
"""Entries after which a cursor lets go of what is too old to be asked for."""

_table = _FoldTable()
_fast = _FastTable()


def fold_text(text: str) -> str:
    """The folded form of a text. The same for every cutting: `fold(a + b) == fold(a) + fold(b)`."""
    return text.translate(_table)


class FoldCursor:
    """Folds one channel delta by delta and finds the original offset of every folded character.

    `keep` is how many of the last folded characters can still be asked for; `offset` is where in the channel it begins.
    """

    __slots__ = ("_changed", "_folded_at", "_keep", "_original_at", "folded_length", "shift", "straight")

    def __init__(self, keep: int, offset: int = 0) -> None:
        self._keep = keep
        self.folded_length = 0
        """Folded characters so far."""
        self.shift = offset
        """What the original offset is more than the folded one, from `straight` on."""
        # Runs of folded characters that follow one another in the original: run i begins at folded offset
        # _folded_at[i], which is original offset _original_at[i].
        self._folded_at = [0]
        self._original_at = [offset]
        self.straight = 0
        """Folded offset from which on every folded character comes from the next original one."""
        self._changed: list[tuple[int, str]] = []  # what was written, where it is not as folded, with its folded offset

    @property
    def length(self) -> int:
        """Original offset of the end of the text so far."""
        return self.folded_length + self.shift

    def push(self, text: str) -> str:
        """Fold the next piece of the channel."""
        if _may_fold(text) is None:
            self.folded_length += len(text)
            return text
        folded = text.translate(_fast)
        if _RESIZED in folded:
            return self._push_resized(text)
        if folded != text:
            if len(self._changed) > _CROWDED:
                self._forget()
            self._changed.append((self.folded_length, text))
        self.folded_length += len(folded)
        return folded

    def origin(self, folded_offset: int) -> int:
        """Original offset of the character that the folded character came from.

        At the end of the folded text: the end of the original text.
        """
        if folded_offset >= self.straight:
            return min(folded_offset, self.folded_length) + self.shift
        run = bisect_right(self._folded_at, folded_offset) - 1
        return self._original_at[run] + folded_offset - self._folded_at[run]

    def changed(self, start: int, end: int) -> bool:
        """Whether any folded character in `[start, end)` differs from what was written."""
        for at, piece in reversed(self._changed):
            if at + len(piece) <= start:
                return False
            if any(_table[ord(char)] != char for char in piece[max(start - at, 0) : max(end - at, 0)]):
                return True
        return False

    def skipped(self, start: int, end: int) -> bool:
        """Whether anything was written between the folded characters of `[start, end)` that folds to nothing."""
        if start >= self.straight:
            return False
        origins = [self.origin(at) for at in range(start, end)]
        return any(after - before > 1 for before, after in pairwise(origins))

    def state(self) -> tuple[int, int, list[int], list[int], list[tuple[int, str]]]:
        """Everything that `restore` needs, as plain values."""
        self._forget()
        return self.length, self.folded_length, self._folded_at, self._original_at, self._changed

    def restore(self, state: tuple[int, int, list[int], list[int], list[tuple[int, str]]]) -> None:
        """Go on from a `state()`."""
        self.folded_length = state[1]
        self.shift = state[0] - state[1]
        self._folded_at, self._original_at = list(state[2]), list(state[3])
        self._changed = [(at, piece) for at, piece in state[4]]
        self.straight = self._folded_at[-1]

    def _push_resized(self, text: str) -> str:
        if len(self._changed) + len(self._folded_at) > _CROWDED:
            self._forget()
        original, at = self.length, self.folded_length
        pieces = []
        for char in text:
            folded = _table[ord(char)]
            for index in range(len(folded)):
                if folded != char:
                    self._changed.append((at, char))
                if index or original - self._original_at[-1] != at - self._folded_at[-1]:
                    self._begin_run(at, original)
                at += 1
            pieces.append(folded)
            original += 1
        if original - self._original_at[-1] != at - self._folded_at[-1]:
            self._begin_run(at, original)  # so that the fast way need not look
        self.folded_length = at
        self.shift = original - at
        return "".join(pieces)

    def _begin_run(self, folded: int, original: int) -> None:
        self.straight = folded
        if self._folded_at[-1] == folded:
            self._original_at[-1] = original
        else:
            self._folded_at.append(folded)
            self._original_at.append(original)

    def _forget(self) -> None:
        oldest = self.folded_length - self._keep
        run = max(bisect_right(self._folded_at, oldest) - 1, 0)
        del self._folded_at[:run], self._original_at[:run]
        self._changed = [
            (max(at, oldest), piece[max(oldest - at, 0) :]) for at, piece in self._changed if at + len(piece) > oldest
        ]
