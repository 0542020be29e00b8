"""An allowed context in quotation marks holds for quotation marks of any kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.lexicon import Lexicon, LexiconScan, Term
from sluice.lexicon.quotes import in_any_quotes

LEXICON = Lexicon([Term("坏词", "A.2.a", 2, "t", allow=("“坏词”一词", "坏词这个词"))])


def hits(text: str) -> int:
    return len(LexiconScan(LEXICON, str).feed(text, final=True).findings)


@pytest.mark.parametrize("quoted", ["“坏词”", "‘坏词’", "「坏词」", "『坏词』", '"坏词"', "'坏词'", "＂坏词＂"])
def test_a_quoted_word_is_let_through_in_any_marks(quoted: str) -> None:
    assert hits(f"不要用{quoted}一词。") == 0
    assert hits(f"他就是{quoted}。") == 1


def test_marks_are_not_mixed() -> None:
    assert hits("不要用“坏词」一词。") == 1


def test_a_lone_mark_stands_for_itself() -> None:
    assert in_any_quotes("it's") == {"it's"}
    assert in_any_quotes("坏词”一词") == {"坏词”一词"}


@given(st.text("a“”\"'「」", max_size=8))
def test_every_form_has_the_same_length_and_words(text: str) -> None:
    forms = in_any_quotes(text)
    assert text in forms
    for form in forms:
        assert len(form) == len(text)
        assert [c for c in form if c == "a"] == [c for c in text if c == "a"]
