"""Laws of folding: the same for every cutting, and every folded character knows where it came from."""

from __future__ import annotations

import json

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
    ],
)
def test_examples(written: str, folded: str) -> None:
    assert fold_text(written) == folded
