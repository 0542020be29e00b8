"""Laws of the lexicon scan: however a text is cut, its findings, their spans and its watermark are the same."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sluice.contract.decision import Finding
from sluice.lexicon import Lexicon, LexiconScan, Term
from sluice.text.fold import fold_text

TERMS = [
    Term("赌博网", "A.1.h", 3, "t"),
    Term("赌", "A.1.h", 1, "t"),
    Term("博网站", "A.1.h", 2, "t"),
    Term("大麻", "A.1.h", 2, "t", allow=("大麻烦", "买大麻花")),
    Term("sm", "A.1.f", 2, "t", word=True),
    Term("smart bomb", "A.1.f", 3, "t", word=True),
    Term("网站sm", "A.1.f", 1, "t"),
]
LEXICON = Lexicon(TERMS)

pieces = st.lists(
    st.one_of(
        st.text(alphabet="赌博网站大麻烦买花smart bo*\u200bＳ。a", max_size=6),
        st.sampled_from(
            ["赌博网", "大麻", "大麻烦", "买大麻花", "sm", " sm ", "smart bomb", "赌*博\u200b网", "网站sm"]
        ),
    ),
    max_size=12,
)


def scan(parts: list[str]) -> tuple[list[Finding], list[int]]:
    state = LexiconScan(LEXICON, str)
    findings: list[Finding] = []
    cleared: list[int] = []
    for index, part in enumerate(parts):
        verdict = state.feed(part, index == len(parts) - 1)
        findings += verdict.findings
        cleared.append(verdict.cleared)
    return findings, cleared


def recut(text: str, sizes: list[int]) -> list[str]:
    parts, at = [], 0
    for size in sizes:
        parts.append(text[at : at + size])
        at += size
    return [*parts, text[at:]]


def brute_force(text: str) -> set[tuple[str, int, int]]:
    """The definition, without any state: every folded occurrence that no allowed context covers."""
    folded = fold_text(text)
    origin = [i for i, char in enumerate(text) for _ in fold_text(char)]

    def wordy(at: int) -> bool:
        return 0 <= at < len(folded) and folded[at].isalnum() and ord(folded[at]) < 0x2E80

    found = set()
    for term in TERMS:
        want = term.folded
        for at in range(len(folded) - len(want) + 1):
            if folded[at : at + len(want)] != want:
                continue
            if term.word and (wordy(at - 1) or wordy(at + len(want))):
                continue
            contexts = [fold_text(a) for a in term.allow]
            if any(
                folded[at - o : at - o + len(c)] == c
                for c in contexts
                for o in range(len(c))
                if at >= o and c[o : o + len(want)] == want
            ):
                continue
            found.add((term.rule, origin[at], origin[at + len(want) - 1] + 1))
    return found


@given(pieces)
def test_finds_exactly_what_the_definition_says(parts: list[str]) -> None:
    findings, cleared = scan([*parts, ""])
    assert {(f.rule, f.start, f.end) for f in findings} == brute_force("".join(parts))
    assert cleared[-1] == len("".join(parts))


@given(pieces, st.lists(st.integers(0, 7), max_size=12))
def test_any_cutting_gives_the_same_findings_in_the_same_order(parts: list[str], sizes: list[int]) -> None:
    text = "".join(parts)
    whole, _ = scan([text])
    assert scan(recut(text, sizes))[0] == whole
    assert scan(list(text) or [""])[0] == whole


@given(pieces)
def test_the_watermark_never_passes_text_that_a_later_finding_covers(parts: list[str]) -> None:
    text = "".join(parts)
    state = LexiconScan(LEXICON, str)
    watermark = 0
    for char in text:
        verdict = state.feed(char)
        assert all(f.start >= watermark for f in verdict.findings)
        assert verdict.cleared >= watermark
        watermark = verdict.cleared
    assert all(f.start >= watermark for f in state.feed("", final=True).findings)


@given(pieces)
def test_no_more_is_held_back_than_could_become_a_term(parts: list[str]) -> None:
    text = "".join(parts)
    state = LexiconScan(LEXICON, str)
    cleared = 0
    for char in text:
        cleared = state.feed(char).cleared
    held = fold_text(text[cleared:])
    openings = [t.folded for t in TERMS] + [fold_text(a) for t in TERMS for a in t.allow]
    # What is held is a beginning of a term, or a whole term whose right edge or context is not known yet.
    assert held == "" or any(o.startswith(held) or held.startswith(o) or t_in(held, openings) for o in openings)


def t_in(held: str, openings: list[str]) -> bool:
    return any(held[i:] and o.startswith(held[i:]) for o in openings for i in range(len(held)))


@given(pieces, st.integers(0, 40))
def test_a_restored_scan_goes_on_as_if_nothing_had_happened(parts: list[str], at: int) -> None:
    text = "".join(parts)
    whole, _ = scan([text])
    first = LexiconScan(LEXICON, str)
    findings = list(first.feed(text[:at]).findings)
    second = LexiconScan(LEXICON, str)
    second.restore(json.loads(json.dumps(first.state())))
    findings += second.feed(text[at:], final=True).findings
    assert findings == whole


def test_a_long_disguised_text_is_found_at_its_place() -> None:
    text = "好" * 500 + "赌*\u200b*博*网" + "好" * 500
    findings, _ = scan(list(text))
    assert [(f.start, f.end, f.matched) for f in findings if f.score == 1.0] == [(500, 507, "folded")]
    assert all(b >= a for a, b in pairwise(scan(list(text))[1]))


def test_a_hit_far_from_the_end_of_a_disguised_delta_has_its_place() -> None:
    text = "好" * 10 + "赌*博网" + "a*" * 200 + "Ａ" * 300
    for parts in ([text], list(text)):
        findings, _ = scan([*parts, ""])
        assert [(f.start, f.end, f.matched) for f in findings if f.score == 1.0] == [(10, 14, "folded")]


def test_an_empty_lexicon_clears_everything() -> None:
    state = LexiconScan(Lexicon([]), str)
    assert state.feed("赌博").cleared == 2
