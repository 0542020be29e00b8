"""An allowed context in quotation marks holds for quotation marks of any kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.lexicon import Lexicon, LexiconScan, Term
from sluice.lexicon.quotes import in_any_quotes


def hits(text: str, *allow: str) -> int:
    lexicon = Lexicon([Term("坏词", "A.2.a", 2, "t", allow=allow)])
    return len(LexiconScan(lexicon, str).feed(text, final=True).findings)


@pytest.mark.parametrize("quoted", ["“坏词”", "‘坏词’", "「坏词」", "『坏词』", '"坏词"', "'坏词'", "＂坏词＂"])
@pytest.mark.parametrize("allow", ["“坏词”一词", "「坏词」一词", '"坏词"一词'])
def test_a_quoted_word_is_let_through_in_any_marks(quoted: str, allow: str) -> None:
    assert hits(f"不要用{quoted}一词。", allow) == 0
    assert hits(f"他就是{quoted}。", allow) == 1


def test_marks_are_not_mixed() -> None:
    assert hits("不要用“坏词」一词。", "“坏词”一词") == 1


def test_what_stands_between_two_quotations_is_not_quoted() -> None:
    assert hits("他说“坏词”。", "“坏词”") == 0
    assert hits('他说"你好"坏词"再见"', "“坏词”") == 1


@pytest.mark.parametrize("text", ["“他说‘坏词’吧”了", "「他说『坏词』吧」了", "\"他说'坏词'吧\"了"])
def test_a_quotation_within_a_quotation(text: str) -> None:
    assert hits(text, "“他说‘坏词’吧”了") == 0


def test_an_apostrophe_is_no_quotation_mark() -> None:
    assert in_any_quotes("it's") == {"it's"}
    assert in_any_quotes("it’s") == {"it’s"}
    assert 'it\'s "a" b' in in_any_quotes("it's “a” b")
    assert all(form.startswith("it's ") for form in in_any_quotes("it's “a” b"))


def test_a_lone_mark_stands_for_itself() -> None:
    assert in_any_quotes("坏词”一词") == {"坏词”一词"}
    assert in_any_quotes("“坏词一词") == {"“坏词一词"}


@given(st.text("a“”\"'「」‘’", max_size=10))
def test_every_form_has_the_same_length_and_words(text: str) -> None:
    forms = in_any_quotes(text)
    assert text in forms
    for form in forms:
        assert len(form) == len(text)
        assert [at for at, c in enumerate(form) if c == "a"] == [at for at, c in enumerate(text) if c == "a"]
