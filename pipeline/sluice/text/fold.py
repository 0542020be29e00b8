"""Folding: different ways of writing the same text become one, character by character.

Each character is folded by itself, whatever stands beside it, so any way of cutting a text into deltas folds to
the same result. Dictionary and text go through the same function.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right

__all__ = ["FOLD_VERSION", "NOISE", "FoldCursor", "fold_text"]

FOLD_VERSION = "fold-1"
"""Changes whenever `fold_text` gives another result for any text; models and lexicons pin it."""

NOISE = frozenset("*_~^`|\\•·・●○◆◇■□★☆※")
"""Marks that people put between the characters of a word to hide it; ordinary text loses nothing without them.

Space, hyphen, full stop and slash are not among them: joining words over those makes new words by accident.
"""

_KEPT = {"\n": "\n", "\r": "\n", "\t": " ", "…": "…"}
"""`…` would fold to three full stops, and it is common in Chinese text."""


def _fold_char(char: str) -> str:
    kept = _KEPT.get(char)
    if kept is not None:
        return kept
    if char in NOISE:
        return ""
    folded = unicodedata.normalize("NFKC", char).casefold()
    if any(unicodedata.combining(c) for c in unicodedata.normalize("NFD", folded)):
        bare = "".join(c for c in unicodedata.normalize("NFD", folded) if not unicodedata.combining(c))
        folded = unicodedata.normalize("NFC", bare)
    return "".join(_fold_kind(c) for c in folded)


def _fold_kind(char: str) -> str:
    kind = unicodedata.category(char)
    if kind in ("Cf", "Cc", "Mn", "Me"):  # zero-width, direction marks, controls, variation selectors
        return ""
    return " " if kind == "Zs" else char


class _FoldTable(dict[int, str]):
    """For `str.translate`; filled as characters are met, at most one entry per Unicode code point."""

    def __init__(self) -> None:
        super().__init__()
        self.resized: set[str] = set()
        """Characters met so far that fold to nothing or to more than one character."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        folded = _fold_char(char)
        if len(folded) != 1:
            self.resized.add(char)
        self[code] = folded
        return folded


_table = _FoldTable()
_resized = _table.resized


def fold_text(text: str) -> str:
    """The folded form of a text. The same for every cutting: `fold(a + b) == fold(a) + fold(b)`."""
    return text.translate(_table)


class FoldCursor:
    """Folds one channel delta by delta and finds the original offset of every folded character.

    `keep` is how many of the last folded characters can still be asked for; `offset` is where in the channel it begins.
    """

    __slots__ = ("_changed", "_folded_at", "_keep", "_original_at", "folded_length", "length")

    def __init__(self, keep: int, offset: int = 0) -> None:
        self._keep = keep
        self.length = offset
        """Original characters so far."""
        self.folded_length = 0
        """Folded characters so far."""
        # Runs of folded characters that follow one another in the original: run i begins at folded offset
        # _folded_at[i], which is original offset _original_at[i].
        self._folded_at = [0]
        self._original_at = [offset]
        self._changed: list[int] = []  # folded offsets of characters that are not what was written

    def push(self, text: str) -> str:
        """Fold the next piece of the channel."""
        folded = text.translate(_table)
        if folded == text:
            if self.length - self._original_at[-1] != self.folded_length - self._folded_at[-1]:
                self._begin_run(self.folded_length, self.length)
            self.folded_length += len(folded)
        elif _resized.isdisjoint(text):
            if self.length - self._original_at[-1] != self.folded_length - self._folded_at[-1]:
                self._begin_run(self.folded_length, self.length)
            at = self.folded_length
            self._changed += [at + i for i, (a, b) in enumerate(zip(text, folded, strict=True)) if a != b]
            self.folded_length += len(folded)
        else:
            self._push_resized(text)
        self.length += len(text)
        return folded

    def forget(self) -> None:
        """Let go of what is older than `keep`. Not before the origins of what was pushed have been asked for."""
        if len(self._folded_at) > 64 or len(self._changed) > 256:
            self._forget()

    def origin(self, folded_offset: int) -> int:
        """Original offset of the character that the folded character came from.

        At the end of the folded text: the end of the original text.
        """
        if folded_offset >= self.folded_length:
            return self.length
        if len(self._folded_at) == 1:
            return self._original_at[0] + folded_offset - self._folded_at[0]
        run = bisect_right(self._folded_at, folded_offset) - 1
        return self._original_at[run] + folded_offset - self._folded_at[run]

    def changed(self, start: int, end: int) -> bool:
        """Whether any folded character in `[start, end)` differs from what was written, or noise stood within."""
        if self.origin(end - 1) - self.origin(start) != end - 1 - start:
            return True
        return any(start <= at < end for at in self._changed)

    def state(self) -> tuple[int, int, list[int], list[int], list[int]]:
        """Everything that `restore` needs, as plain values."""
        self._forget()
        return self.length, self.folded_length, self._folded_at, self._original_at, self._changed

    def restore(self, state: tuple[int, int, list[int], list[int], list[int]]) -> None:
        """Go on from a `state()`."""
        self.length, self.folded_length = state[0], state[1]
        self._folded_at, self._original_at, self._changed = list(state[2]), list(state[3]), list(state[4])

    def _push_resized(self, text: str) -> None:
        original, at = self.length, self.folded_length
        for char in text:
            folded = _table[ord(char)]
            for index, c in enumerate(folded):
                if index or original - self._original_at[-1] != at - self._folded_at[-1]:
                    self._begin_run(at, original)
                if c != char:
                    self._changed.append(at)
                at += 1
            original += 1
        self.folded_length = at

    def _begin_run(self, folded: int, original: int) -> None:
        if self._folded_at[-1] == folded:
            self._original_at[-1] = original
        else:
            self._folded_at.append(folded)
            self._original_at.append(original)

    def _forget(self) -> None:
        oldest = self.folded_length - self._keep
        run = max(bisect_right(self._folded_at, oldest) - 1, 0)
        del self._folded_at[:run], self._original_at[:run]
        self._changed = [at for at in self._changed if at >= oldest]
