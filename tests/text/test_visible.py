"""What is looked at cannot go unseen, steer a terminal or begin a line."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.cli.check import _visible
from sluice.text.visible import escape_json, visible

UNSEEN = [
    *("\u3164", "\uffa0", "\u115f", "\u1160"),  # fillers of Hangul
    *("\u034f", "\ufe00", "\ufe0f", "\U000e0100", "\U000e01ef", "\u180b", "\u180f"),  # joiner, variation selectors
    *("\u17b4", "\u17b5", "\u2800", "\U0001d159"),  # vowels that are not drawn, blank signs
    *("\u200b", "\u00ad", "\u202e", "\ufeff", "\U000e0041", "\u2028", "\x85", "\ue000"),  # not printable for Python
]


@pytest.mark.parametrize("char", UNSEEN, ids=ascii)
def test_what_nobody_sees_is_shown(char: str) -> None:
    assert visible(f"a{char}b") == _visible(f"a{char}b") == "a\ufffdb"
    shown = escape_json(json.dumps(char, ensure_ascii=False))
    assert shown.isascii() and json.loads(shown) == char


@pytest.mark.parametrize("space", "\u3000\u00a0\u2003\u1680")
def test_a_space_is_a_space(space: str) -> None:
    assert visible(f"前{space}后") == "前 后"


@given(st.text())
def test_one_for_one_on_one_line_and_json_stays_what_it_was(text: str) -> None:
    shown = visible(text)
    assert len(shown) == len(text) and shown.isprintable() and visible(shown) == shown
    assert _visible(text).count("\n") == text.count("\n") and len(_visible(text)) == len(text)
    assert json.loads(escape_json(json.dumps(text, ensure_ascii=False))) == text


def test_ordinary_text_stays_as_it_is() -> None:
    for text in ("今天，天气很好。", "naïve ① ☆ ゙", "한국어 हिन्दी עברית", "\N{REPLACEMENT CHARACTER}"):
        assert visible(text) == text
