"""What every segmenter must do, for each one there is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.lexicon.segment import Jieba, RustJieba, Segmenter

SEGMENTERS = {"rust": RustJieba(), "python": Jieba()}


@pytest.fixture(params=SEGMENTERS)
def segmenter(request: pytest.FixtureRequest) -> Segmenter:
    return SEGMENTERS[request.param]


# What a term stands in, and whether a word reaches over its edge.
@pytest.mark.parametrize(
    ("text", "term", "crosses"),
    [
        ("惹上有大麻烦了", "大麻", True),
        ("工信处女干事每月经过下属科室", "处女", True),
        ("宝鸡巴士停运", "鸡巴", True),
        ("平台独家发布", "台独", True),
        ("他在阳台种植大麻出售", "大麻", False),
        ("网上赌博害人", "赌博", False),
    ],
)
def test_words_end_where_a_reader_sees_it(segmenter: Segmenter, text: str, term: str, crosses: bool) -> None:
    edges, at = {0}, 0
    for word in segmenter.words(text):
        at += len(word)
        edges.add(at)
    start = text.index(term)
    assert ({start, start + len(term)} <= edges) is not crosses


@given(text=st.text(alphabet="大麻烦平台独家abc 12，。\u200b𠀀\n", max_size=20))
@pytest.mark.parametrize("name", SEGMENTERS)
def test_the_words_are_the_text(name: str, text: str) -> None:
    words = SEGMENTERS[name].words(text)
    assert "".join(words) == text
    assert list(words) == list(SEGMENTERS[name].words(text))
