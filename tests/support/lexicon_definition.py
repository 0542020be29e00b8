"""What a lexicon finds in a whole text, by definition: slow, without state, and read forward from every character."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from sluice.lexicon import Lexicon
from sluice.lexicon.lexicon import BOUNDARY_LEFT, BOUNDARY_RIGHT, Pattern
from sluice.lexicon.segment import segmenter
from sluice.lexicon.sound import SPELLING
from sluice.text.fold import fold_text

CJK = 0x2E80


class Found(NamedTuple):
    """A finding, in original offsets."""

    start: int
    end: int
    rule: str
    channel: str
    score: float


class _Hit(NamedTuple):
    start: int
    end: int
    pattern: Pattern
    channel: str
    score: float


def define(lexicon: Lexicon, text: str) -> list[Found]:
    """The findings of a lexicon in a text, in order."""
    folded = fold_text(text)
    origin = [at for at, char in enumerate(text) for _ in fold_text(char)]
    plain = {id(p): p for _, ps in lexicon.automaton.items() for p in ps}.values()
    sounds = {id(p): p for _, ps in lexicon.sounds.items() for p in ps}.values() if len(lexicon.sounds) else ()
    forms = {id(p): form.encode("latin-1").decode() for form, ps in lexicon.automaton.items() for p in ps}
    hits: list[_Hit] = []

    def add(start: int, end: int, pattern: Pattern, channel: str) -> None:
        score = pattern.scores.get(channel)  # type: ignore[call-overload]
        if score is None:
            return
        worth = _worth(folded, start, end, pattern, channel, score)
        if worth:
            hits.append(_Hit(start, end, pattern, channel, worth))

    for start in range(len(folded)):
        for pattern in plain:
            form = forms[id(pattern)]
            if folded.startswith(form, start):
                end = start + len(form)
                places = origin[start:end]
                skipped = any(b - a > 1 for a, b in pairwise(places))
                changed = any(text[at] != c for at, c in zip(places, form, strict=True))
                channel = pattern.channel
                if channel == "exact":
                    channel = "noise" if skipped else "folded" if changed else "exact"
                add(start, end, pattern, channel)
            if pattern.channel in ("exact", "noise") and lexicon.noisy:
                spaced = _spaced(folded, start, form, pattern, lexicon.clause_marks)
                if spaced is not None and folded[start:spaced] != pattern.term.folded:
                    add(start, spaced, pattern, "noise")
        for pattern in sounds:
            heard = _sounds(folded, start, pattern)
            if heard is not None:
                add(start, heard, pattern, "pinyin")
    # The order in which they are decided knows only what the form is worth, not what the words around it make of it.
    hits.sort(key=lambda h: (h.start, -h.end, -h.pattern.scores[h.channel], h.pattern.rule))  # type: ignore[index]
    kept: list[_Hit] = []
    for hit in hits:
        covered = any(
            o.start <= hit.start
            and o.end >= hit.end
            and o.pattern.term.risk == hit.pattern.term.risk
            and o.score >= hit.score
            for o in kept
        )
        if not covered:
            kept.append(hit)
    return [Found(origin[h.start], origin[h.end - 1] + 1, h.pattern.rule, h.channel, h.score) for h in kept]


def _wordy(folded: str, at: int) -> bool:
    return 0 <= at < len(folded) and folded[at].isalnum() and ord(folded[at]) < CJK


def _spaced(folded: str, start: int, form: str, pattern: Pattern, clause: frozenset[str]) -> int | None:
    """The end of the form's letters from `start` on, with marks between some of them."""
    if not form.isalnum():
        return None
    at, gaps, clauses = start, [], False
    for index, letter in enumerate(form):
        marks = 0
        while index and at < len(folded) and not folded[at].isalnum():
            clauses = clauses or folded[at] in clause
            marks += 1
            at += 1
        if marks > 3 or at >= len(folded) or folded[at] != letter:
            return None
        if marks:
            gaps.append(index)
        at += 1
    if not gaps:
        return None
    if len(gaps) == len(form) - 1:
        return at if len(form) > 2 or not clauses else None
    if clauses or len(form) < 3:
        return None
    fits = all(g in pattern.marks or ord(form[g - 1]) >= CJK or ord(form[g]) >= CJK for g in gaps)
    return at if fits else None


def _sounds(folded: str, start: int, pattern: Pattern) -> int | None:
    """The end of the pattern's syllables from `start` on."""
    at = start
    if not SPELLING[ord(folded[at])]:
        return None
    if folded[at].isascii() and at and folded[at - 1].isascii() and folded[at - 1].isalpha():
        return None
    for index, sound in enumerate(pattern.sounds):
        marks = 0
        while index and at < len(folded) and not SPELLING[ord(folded[at])]:
            marks += 1
            at += 1
        if marks > 3 or at >= len(folded):
            return None
        if "a" <= folded[at] <= "z":
            if folded[at : at + len(sound)].replace("v", "u") != sound:
                return None
            at += len(sound)
        elif SPELLING[ord(folded[at])] == sound:
            at += 1
        else:
            return None
    return None if folded[start:at] == pattern.term.folded else at


def _worth(folded: str, start: int, end: int, pattern: Pattern, channel: str, score: float) -> float:
    if pattern.word and (_wordy(folded, start - 1) or _wordy(folded, end)):
        return 0.0
    if pattern.sounds and folded[end - 1].isascii() and _wordy(folded, end):
        return 0.0
    if channel == "initials":
        before = [c for c in folded[max(start - 4, 0) : start] if c.isalnum()][-1:]
        behind = [c for c in folded[end : end + 4] if c.isalnum()][:1]
        if (before or behind) and not any(ord(c) >= CJK for c in before + behind):
            return 0.0
    if pattern.allow:
        text, at = folded, start
        if channel == "noise":
            text, at = "".join(c for c in folded if c.isalnum()), sum(c.isalnum() for c in folded[:start])
        for context, offset in pattern.allow:
            if channel == "noise":
                offset = sum(c.isalnum() for c in context[:offset])
                context = "".join(c for c in context if c.isalnum())
            if at >= offset and text.startswith(context, at - offset):
                return 0.0
    if pattern.sounds and any(ord(c) >= CJK for c in folded[start:end]):
        left = max(start - BOUNDARY_LEFT, 0)
        at = left
        for word in segmenter().words(folded[left : end + BOUNDARY_RIGHT]):
            part = folded[max(at, start) : max(min(at + len(word), end), start)]
            if part and len(word) > 1 and ord(word[0]) >= CJK and part not in pattern.term.folded:
                return 0.0
            at += len(word)
        return score
    if pattern.boundary and channel in ("exact", "folded"):
        left = max(start - BOUNDARY_LEFT, 0)
        at, crosses = left, False
        for word in segmenter().words(folded[left : end + BOUNDARY_RIGHT]):
            inside = at >= start and at + len(word) <= end
            apart = at + len(word) <= start or at >= end
            crosses = crosses or not (inside or apart or (at <= start and at + len(word) >= end))
            at += len(word)
        if crosses:
            return 0.0 if pattern.term.boundary == "need" else round(score * 0.6, 4)
    return score
