"""Every disguise that is looked for, on the shipped lexicon, whole and letter by letter; and what is left alone."""

from __future__ import annotations

import pytest

from sluice import shipped
from sluice.contract.decision import Finding
from sluice.lexicon import Lexicon, LexiconScan, Term
from sluice.lexicon.files import Content
from sluice.lexicon.settings import LexiconSettings


@pytest.fixture(scope="module")
def starter() -> Lexicon:
    return Lexicon.load(shipped.lexicon_directory())


def findings(lexicon: Lexicon, text: str) -> list[Finding]:
    whole = LexiconScan(lexicon, str)
    found = [*whole.feed(text, final=True).findings]
    apart = LexiconScan(lexicon, str)
    assert [f for char in text for f in apart.feed(char).findings] + [*apart.feed("", final=True).findings] == found
    return found


@pytest.mark.parametrize(
    ("text", "channel", "score"),
    [
        ("有冰毒现货的", "exact", 1.0),
        ("有冰毒現貨的", "folded", 1.0),
        ("冰\u200b毒\u2060现货", "noise", 0.95),
        ("冰*毒_现~货", "noise", 0.95),
        ("冰 毒 现 货", "noise", 0.95),
        ("冰毒 现货", "noise", 0.95),
        ("冰.毒-现/货", "noise", 0.95),
        ("冰，毒，现，货", "noise", 0.95),
        ("冰\n毒\n现\n货\n", "noise", 0.95),
        ("冰💊毒💊现💊货", "noise", 0.95),
        ("冫水毒现货", "split", 0.9),
        ("兵毒现货", "pinyin", 0.8),
        ("bingduxianhuo来了", "pinyin", 0.8),
        ("bīng dú xiàn huò", "pinyin", 0.8),
        ("bing毒xian货", "pinyin", 0.8),
        ("冰d现货", "mixed", 0.8),
        ("出bdxh，速来", "initials", 0.7),
        ("ＢＤＸＨ", "initials", 0.7),
        ("冰毒現💊貨", "noise", 0.95),
    ],
)
def test_a_disguise_is_found_and_named(starter: Lexicon, text: str, channel: str, score: float) -> None:
    rule = next(t.rule for t in starter.terms if t.text == "冰毒现货")
    found = [f for f in findings(starter, text) if f.rule == rule]
    assert [(f.matched, f.score) for f in found] == [(channel, score)]
    assert text[found[0].start : found[0].end].strip() == text[found[0].start : found[0].end]


@pytest.mark.parametrize(
    "text",
    [
        "冰。毒品的现货价格",  # a sentence ends within
        "冰毒，现货",  # a comma between two words
        "病毒先祸害了村里",  # other words that sound alike in part
        "the abdxh file",  # initials within a word
        "see the BDXH file, v2",  # and among words of another language
        "https://example.com/bdxh/a1",
        "ice is in the dubious xian huo",
        "冰    毒    现    货",  # too wide for marks
        "如果，有冰，就拿毒，辣椒现，买的货",
    ],
)
def test_ordinary_text_is_left_alone(starter: Lexicon, text: str) -> None:
    assert [f.rule for f in findings(starter, text) if f.score >= 0.7] == []


def test_latin_words_are_joined_only_letter_by_letter() -> None:
    lexicon = Lexicon([Term("ass", "A.4.c", 3, "t", word=True), Term("buy guns", "A.1.h", 3, "t", word=True)])
    for text in ("pass is ting", "as sisting", "a sse", "he has s", "grass, as seen"):
        assert findings(lexicon, text) == [], text
    for text in ("a s s", "a.s.s!", "buy-guns", "buy  guns", "buyguns", "b u y g u n s"):
        assert [f.matched for f in findings(lexicon, text)] == ["noise"], text


def test_channels_are_on_or_off_by_risk_and_by_term() -> None:
    terms = (
        Term("冰毒现货", "A.1.h", 3, "t"),
        Term("海洛因现货", "A.1.h", 3, "t", channels=("pinyin",)),
        Term("砍死他全家", "A.1.f", 3, "t"),
    )
    settings = LexiconSettings(channels={"A.1": {"noise": 0.0, "folded": 0.0}, "A.1.h": {"pinyin": 0.0, "split": 0.5}})
    lexicon = Lexicon(Content(settings, terms))
    for text in ("冰*毒现货", "冰毒現货", "兵毒现货", "海洛因现*货", "氵每洛因现货", "嗨落音现货", "砍*死他全家"):
        assert findings(lexicon, text) == [], text
    assert [f.score for f in findings(lexicon, "冫水毒现货")] == [0.5]
    assert [f.matched for f in findings(lexicon, "坎思他全家")] == ["pinyin"]


def test_more_noise_can_be_named() -> None:
    term = Term("冰毒现货", "A.1.h", 3, "t")
    assert findings(Lexicon([term]), "冰毒，现货") == []
    more = Lexicon(Content(LexiconSettings(noise=","), (term,)))
    assert [f.matched for f in findings(more, "冰毒，现货")] == ["noise"]


def test_a_hit_across_the_edge_of_a_word() -> None:
    def found(boundary: str, text: str) -> list[float]:
        return [f.score for f in findings(Lexicon([Term("大麻", "A.1.h", 3, "t", boundary=boundary)]), text)]  # type: ignore[arg-type]

    assert found("need", "惹上有大麻烦了") == [] and found("need", "他种植大麻卖") == [1.0]
    assert found("lower", "惹上有大麻烦了") == [0.6] and found("lower", "他种植大麻卖") == [1.0]
    assert found("", "惹上有大麻烦了") == [1.0]
    # Breaking words is what a disguise is for, so it is never excused by them.
    assert found("need", "惹上有大\u200b麻烦了") == [0.95]


def test_overlapping_hits_of_one_risk_are_one_finding() -> None:
    lexicon = Lexicon(
        [
            Term("冰毒", "A.1.h", 1, "t"),
            Term("冰毒现货", "A.1.h", 3, "t"),
            Term("毒现", "A.1.h", 3, "t"),
            Term("冰毒现", "A.1.f", 1, "t"),
            Term("贩卖冰毒现货", "A.1.h", 2, "t"),
        ]
    )
    # The longer one is worth less, so it says less than the shorter one in it; another risk is another matter.
    assert [(f.rule, f.start, f.end) for f in findings(lexicon, "贩卖冰毒现货")] == [
        (lexicon.terms[4].rule, 0, 6),
        (lexicon.terms[1].rule, 2, 6),
        (lexicon.terms[3].rule, 2, 5),
    ]
    assert [f.rule for f in findings(lexicon, "冰毒")] == [lexicon.terms[0].rule]


def test_a_lexicon_wide_harmless_text() -> None:
    lexicon = Lexicon(Content(LexiconSettings(), (Term("毒品", "A.1.h", 3, "t"),), ("禁毒品牌",)))
    assert findings(lexicon, "打造禁毒品牌") == []
    assert [f.start for f in findings(lexicon, "禁毒品")] == [1]


def test_the_hint_of_a_term_comes_with_its_finding() -> None:
    lexicon = Lexicon([Term("不想活了", "A.4.a", 3, "t", hint="crisis_line")])
    assert [f.hint for f in findings(lexicon, "我不想活了")] == ["crisis_line"]
