"""Laws of the cutter: where a unit ends depends on the text alone."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sluice.text.units import UnitCutter

parts_of = st.lists(st.text(alphabet="ab。. \n!？；", max_size=6), max_size=12)


@given(parts_of, st.integers(3, 9))
def test_any_cutting_gives_the_same_units(parts: list[str], limit: int) -> None:
    text = "".join(parts)
    whole = UnitCutter(limit).cut(text)
    cutter, at, found = UnitCutter(limit), 0, []
    for part in parts:
        found += [at + end for end in cutter.cut(part)]
        at += len(part)
    assert found == whole
    assert all(b - a <= limit for a, b in pairwise([0, *whole]))
    assert whole == sorted(set(whole))


@given(parts_of, parts_of, st.integers(3, 9))
def test_a_restored_cutter_goes_on(before: list[str], after: list[str], limit: int) -> None:
    first, second = UnitCutter(limit), UnitCutter(limit)
    for part in before:
        first.cut(part)
    second.restore(first.state())
    assert [first.cut(p) for p in after] == [second.cut(p) for p in after]


@given(parts_of, parts_of, st.integers(3, 6))
def test_a_cutter_restored_with_a_lower_limit_still_goes_forward(
    before: list[str], after: list[str], limit: int
) -> None:
    first, second = UnitCutter(limit * 3), UnitCutter(limit)
    for part in before:
        first.cut(part)
    second.restore(first.state())
    for part in after:
        ends = second.cut(part)
        assert ends == sorted(set(ends)) and all(0 < end <= len(part) for end in ends)


def test_sentences_of_both_languages() -> None:
    text = "你好。3.14 is pi. Dr Li said so! 好吗？是；对\n最后"
    ends = UnitCutter(120).cut(text)
    assert [text[a:b] for a, b in pairwise([0, *ends])] == [
        "你好。",
        "3.14 is pi. ",
        "Dr Li said so!",
        " 好吗？",
        "是；",
        "对\n",
    ]
