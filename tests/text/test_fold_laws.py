"""Laws of folding: the same for every cutting, and every folded character knows where it came from."""

from __future__ import annotations

import json

import opencc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.text.fold import FoldCursor, fold_text

texts = st.one_of(st.text(max_size=8), st.text(alphabet="aAｂé…①½ﬁ*\u200b赌博Ｗ\u0301 \n゙ガ가", max_size=8))
cuts = st.lists(texts, max_size=8)


@given(st.text(), st.text())
def test_folding_goes_character_by_character(a: str, b: str) -> None:
    assert fold_text(a + b) == fold_text(a) + fold_text(b)


@given(st.text())
def test_folding_twice_changes_nothing_more(text: str) -> None:
    assert fold_text(fold_text(text)) == fold_text(text)


@given(cuts)
def test_offsets_are_those_of_the_whole_text(parts: list[str]) -> None:
    text = "".join(parts)
    cursor = FoldCursor(keep=10_000)
    folded = "".join(cursor.push(part) for part in parts)
    assert folded == fold_text(text)
    expected = [at for at, char in enumerate(text) for _ in fold_text(char)]
    assert [cursor.origin(at) for at in range(len(folded))] == expected
    assert cursor.origin(len(folded)) == len(text) == cursor.length


@given(cuts, st.integers(1, 6))
def test_a_bounded_cursor_knows_the_last_characters(parts: list[str], keep: int) -> None:
    text = "".join(parts)
    bounded, whole = FoldCursor(keep), FoldCursor(10_000)
    for part in parts:
        bounded.push(part)
    whole.push(text)
    end = whole.folded_length
    for at in range(max(0, end - keep), end):
        assert bounded.origin(at) == whole.origin(at)
        assert bounded.changed(at, end) == whole.changed(at, end)


@given(cuts, cuts)
def test_a_restored_cursor_goes_on(before: list[str], after: list[str]) -> None:
    first, second = FoldCursor(8), FoldCursor(8)
    for part in before:
        first.push(part)
    second.restore(json.loads(json.dumps(first.state())))
    for part in after:
        first.push(part)
        second.push(part)
    assert first.state() == second.state()


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("ＨＥＬＬＯ", "hello"),
        ("Café", "cafe"),
        ("①②", "12"),
        ("赌*博\u200b网", "赌博网"),
        ("等一等…", "等一等…"),
        ("a\x00b", "ab"),
        ("\u3000", " "),
        ("3.14", "3.14"),
        ("販毒與賭博", "贩毒与赌博"),
        ("貳壹〇", "二一〇"),
        ("放肆，队伍，大陆", "放肆,队伍,大陆"),
        ("❶⓿⑴⒈㈠", "1011一"),
        ("🅰🄱🇨Ⓓ⒠", "abcde"),
        ("𝐡𝓮𝕝𝖑𝚘", "hello"),
        ("раss", "pass"),
        ("\u202e毒\ufe0f", "毒"),
    ],
)
def test_examples(written: str, folded: str) -> None:
    assert fold_text(written) == folded


def test_no_character_folds_to_one_that_folds_on() -> None:
    for code in range(0x20000):
        folded = fold_text(chr(code))
        assert fold_text(folded) == folded, hex(code)


def test_what_is_taken_for_plain_folds_to_itself() -> None:
    cursor = FoldCursor(keep=1)
    for code in range(0x20000):
        assert cursor.push(chr(code)) == fold_text(chr(code)), hex(code)


def test_simplified_characters_are_those_of_opencc() -> None:
    convert = opencc.OpenCC("t2s").convert
    wrong = [c for c in map(chr, range(0x4E00, 0xA000)) if fold_text(c) != fold_text(convert(convert(c)))]
    assert wrong == []


def test_where_folded_text_differs_from_what_was_written() -> None:
    cursor = FoldCursor(keep=100)
    for part in ("毒", "販Ａ", "毒\u200b品", "㎡毒"):
        cursor.push(part)
    # 毒贩a毒品m2毒
    assert [cursor.changed(at, at + 1) for at in range(8)] == [False, True, True, False, False, True, True, False]
    assert [cursor.skipped(at, at + 2) for at in range(7)] == [False, False, False, True, False, False, False]
    assert [cursor.origin(at) for at in range(9)] == [0, 1, 2, 3, 5, 6, 6, 7, 8]
