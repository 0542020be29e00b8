"""Laws of the lexicon scan: however a text is cut, its findings, their spans and their order are the same, and they are
what the definition says."""

from __future__ import annotations

import json
from itertools import pairwise

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sluice.contract.decision import Finding
from sluice.lexicon import Lexicon, LexiconScan, Term
from sluice.lexicon.term import CHANNELS, MAX_TERM_CHARS
from sluice.text.fold import fold_text
from support.lexicon_definition import Found, define

TERMS = [
    Term("赌博网", "A.1.h", 3, "t"),
    Term("赌博", "A.1.h", 1, "t"),
    Term("博网站", "A.1.h", 2, "t"),
    Term("大麻", "A.1.h", 2, "t", allow=("大麻烦", "买大麻花")),
    Term("麻花", "A.1.f", 3, "t"),
    Term("烦大麻", "A.1.h", 2, "t", boundary="need"),
    Term("sm", "A.1.f", 2, "t", word=True),
    Term("smart bomb", "A.1.f", 3, "t", word=True, allow=("not a smart bomb",)),
    Term("网站sm", "A.1.f", 1, "t"),
    Term("冰毒现货", "A.1.h", 3, "t"),
    Term("海洛因", "A.1.h", 3, "t", channels=("pinyin", "split")),
]
LEXICON = Lexicon(TERMS)
OTHER = Lexicon([*TERMS[2:], Term("花买", "A.1.h", 3, "new"), Term("站赌博网站", "A.1.h", 2, "new")])

DISGUISED = [
    "赌博网", "大麻", "大麻烦", "买大麻花", "sm", " sm ", "smart bomb", "not a smart bomb", "smart-bomb", "smartbomb",
    "赌*博\u200b网", "网站sm", "冰毒现货", "兵毒现货",
    "bing毒xian货", "bing du xian huo", "bdxh", "冰d现货", "冫水毒现货", "氵每洛因",
    "嗨落音", "hailuoyin", "海 洛 因", "s m a r t b o m b", "赌，博，网", "烦大麻袋", "冰。毒\n现！货",
]  # fmt: skip
words = st.sampled_from(DISGUISED)
pieces = st.lists(
    st.one_of(st.text(alphabet="赌博网站大麻烦买花smart bo*\u200bＳ。，a-冰毒现货bingduxh海洛因", max_size=6), words),
    max_size=10,
)


def scan(parts: list[str], lexicon: Lexicon = LEXICON) -> tuple[list[Finding], list[int]]:
    state = LexiconScan(lexicon, str)
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


@settings(max_examples=400)
@given(pieces)
@example(["赌，", "博，", "网"])
def test_finds_exactly_what_the_definition_says(parts: list[str]) -> None:
    text = "".join(parts)
    findings, cleared = scan([*parts, ""])
    assert [Found(f.start, f.end, f.rule, f.matched, f.score) for f in findings] == define(LEXICON, text)
    assert cleared[-1] == len(text)


@settings(max_examples=400)
@given(pieces, st.lists(st.integers(0, 7), max_size=12))
def test_any_cutting_gives_the_same_findings_in_the_same_order(parts: list[str], sizes: list[int]) -> None:
    text = "".join(parts)
    whole, _ = scan([text])
    assert scan(recut(text, sizes))[0] == whole
    assert scan(list(text) or [""])[0] == whole


@settings(max_examples=400)
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


@settings(max_examples=200)
@given(st.lists(st.one_of(st.text(alphabet="赌博网站大麻烦买花sm 好的，。", max_size=6), words), max_size=8))
def test_no_more_is_held_back_than_could_become_a_term(parts: list[str]) -> None:
    """Some text that could follow makes a finding that begins where the held text begins."""
    text = "".join(parts)
    state = LexiconScan(LEXICON, str)
    cleared = 0
    for char in text:
        cleared = state.feed(char).cleared
    held = text[cleared:]
    forms = [*(form for form in LEXICON.openings.prefixes), *LEXICON.spelled_prefixes]
    # What is held begins like a form once marks and disguise are taken away, or is a hit that is not certain yet.
    letters = "".join(c for c in fold_text(held) if c.isalnum())
    waiting = bool(state._waiting)
    assert not held or waiting or letters in forms or any(f.startswith(letters[:1]) for f in forms)


@settings(max_examples=400)
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


@settings(max_examples=300)
@given(pieces, st.integers(0, 40))
def test_a_switched_scan_finds_what_the_new_lexicon_has_behind_the_cleared_text(parts: list[str], at: int) -> None:
    text = "".join(parts)
    first = LexiconScan(LEXICON, str)
    verdict = first.feed(text[:at])
    second = first.switched(OTHER)
    found = {(f.start, f.end, f.rule) for f in second.feed(text[at:], final=True).findings}
    fresh = {(f.start, f.end, f.rule) for f in scan([text], OTHER)[0]}
    reported = {(f.start, f.end, f.rule) for f in verdict.findings}
    after = {hit for hit in fresh if hit[0] >= verdict.cleared and hit not in reported}
    # A finding of the old lexicon that covers a new one is not repeated.
    assert after - found <= {h for h in after if any(o[0] <= h[0] and o[1] >= h[1] for o in reported)}
    assert all(hit[1] > verdict.cleared for hit in found)


def test_a_term_across_the_switch_is_found() -> None:
    for at in range(1, 6):
        text = "好好站赌博网站"[: 2 + at]
        first = LexiconScan(LEXICON, str)
        first.feed(text)
        second = first.switched(OTHER)
        rest = "好好站赌博网站"[2 + at :]
        rules = [f.rule for f in second.feed(rest, final=True).findings]
        assert [r for r in rules if r.startswith("new-")], at


def test_a_term_longer_than_any_of_the_old_lexicon_is_found_across_the_switch() -> None:
    term = Term("一二三四五六七八" * (MAX_TERM_CHARS // 8), "A.1.h", 3, "new")
    text, new = "好" * 50 + term.text, Lexicon([term])
    for old in (Lexicon([]), Lexicon([Term("大麻", "A.1.h", 2, "t")])):
        for at in range(50, len(text)):
            first = LexiconScan(old, str)
            first.feed(text[:at])
            assert [f.start for f in first.switched(new).feed(text[at:], final=True).findings] == [50], at


def test_a_long_disguised_text_is_found_at_its_place() -> None:
    text = "好" * 500 + "赌*\u200b*博*网" + "好" * 500
    findings, _ = scan(list(text))
    assert [(f.start, f.end, f.matched) for f in findings] == [(500, 507, "noise")]
    assert all(b >= a for a, b in pairwise(scan(list(text))[1]))


def test_a_hit_far_from_the_end_of_a_disguised_delta_has_its_place() -> None:
    text = "好" * 10 + "赌*博网" + "a*" * 200 + "Ａ" * 300
    for parts in ([text], list(text)):
        findings, _ = scan([*parts, ""])
        assert [(f.start, f.end, f.matched) for f in findings] == [(10, 14, "noise")]


def test_an_empty_lexicon_clears_everything() -> None:
    state = LexiconScan(Lexicon([]), str)
    assert state.feed("赌博").cleared == 2
    # The new one knows the last characters, so a term that ends from here on is found whole.
    assert [f.start for f in state.switched(LEXICON).feed("网", final=True).findings] == [0]


@pytest.mark.parametrize("text", ["\ud800赌博网\udfff", "赌" + "\u0301" * 5000 + "博网", "\uffff赌博网", "𠀀赌博网𠀀"])
def test_odd_text_is_read(text: str) -> None:
    for parts in ([text], list(text)):
        findings, cleared = scan([*parts, ""])
        assert [f.rule for f in findings] == [TERMS[0].rule]
        assert cleared[-1] == len(text)


HAN = "赌博网站大麻烦冰毒现货海西安先"
SIGNS = HAN + "abmsduxing *_.-'，。\n!😀\u200b/\u00ad㎡½①Ａß\ud800"
drawn_terms = st.builds(
    Term,
    text=st.one_of(
        st.text(HAN, min_size=2, max_size=6),
        st.text("abmsdu", min_size=2, max_size=5),
        st.text(HAN + "abms -", min_size=2, max_size=6).filter(lambda t: len(fold_text(t).strip()) > 1),
    ),
    risk=st.sampled_from(["A.1.h", "A.1.f"]),
    severity=st.integers(1, 3),
    category=st.just("t"),
    word=st.booleans(),
    boundary=st.sampled_from(["", "lower", "need"]),
    channels=st.one_of(st.none(), st.lists(st.sampled_from(CHANNELS[1:]), max_size=6).map(tuple)),
)
drawn_lexicons = st.lists(drawn_terms, min_size=1, max_size=6, unique_by=lambda t: (t.folded, t.risk)).map(Lexicon)


@settings(max_examples=300)
@given(st.data(), drawn_lexicons)
def test_the_laws_hold_for_any_lexicon(data: st.DataObject, lexicon: Lexicon) -> None:
    forms = [*(t.text for t in lexicon.terms), *("*".join(t.text) for t in lexicon.terms)]
    parts = data.draw(st.lists(st.one_of(st.text(SIGNS, max_size=4), st.sampled_from(forms)), max_size=8))
    sizes = data.draw(st.lists(st.integers(0, 5), max_size=12))
    at = data.draw(st.integers(0, len(sizes)))
    text = "".join(parts)
    wanted = define(lexicon, text)
    state = LexiconScan(lexicon, str)
    found: list[Finding] = []
    watermark = 0
    cut = recut(text, sizes)
    for index, part in enumerate(cut):
        if index == at:
            kept = state.state()
            state = LexiconScan(lexicon, str)
            state.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(kept)) if text.isprintable() else kept)
        verdict = state.feed(part, index == len(cut) - 1)
        assert all(f.start >= watermark for f in verdict.findings)
        assert verdict.cleared >= watermark
        watermark = verdict.cleared
        found += verdict.findings
    assert [Found(f.start, f.end, f.rule, f.matched, f.score) for f in found] == wanted
    assert watermark == len(text)
