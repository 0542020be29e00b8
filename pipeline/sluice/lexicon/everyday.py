"""Frequent words of everyday Chinese and English: a term that is one of them stops ordinary text."""

from __future__ import annotations

from functools import cache
from importlib import resources

__all__ = ["english_word_around", "is_everyday"]


def is_everyday(folded: str) -> bool:
    """Whether a folded term is, as a whole, an everyday word."""
    return folded in _words()


def english_word_around(folded: str) -> str:
    """An everyday English word that the term is a part of, or nothing."""
    words = _english()
    at = words.find(folded)
    while at >= 0:
        start, end = words.rfind("\n", 0, at) + 1, words.find("\n", at)
        if end - start > len(folded):
            return words[start:end]
        at = words.find(folded, end)
    return ""


@cache
def _words() -> frozenset[str]:
    text = resources.files(__package__).joinpath("everyday.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if not line.startswith("#"))


@cache
def _english() -> str:
    words = sorted(filter(str.isascii, _words()), key=lambda word: (len(word), word))
    return "\n".join(["", *words, ""])
