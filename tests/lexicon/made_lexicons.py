"""Lexicons that hypothesis makes up."""

from __future__ import annotations

from datetime import date

from hypothesis import strategies as st

from sluice.lexicon.files import Content
from sluice.lexicon.settings import LexiconSettings, PlainList
from sluice.lexicon.term import CHANNELS, Term
from sluice.risks import RISKS

DAYS = st.dates(date(2020, 1, 1), date(2030, 1, 1))
TEXTS = st.text("冰毒大麻花abc好", min_size=2, max_size=5)
NOTES = st.text(max_size=20)


@st.composite
def terms(draw: st.DrawFn) -> Term:
    text = draw(TEXTS)
    return Term(
        text=text,
        risk=draw(st.sampled_from(list(RISKS)[:3])),
        severity=draw(st.integers(1, 3)),
        category=draw(st.sampled_from(["drugs", "porn"])),
        word=draw(st.booleans()),
        allow=tuple(draw(st.lists(TEXTS.map(lambda more: text + more), max_size=2, unique=True))),
        boundary=draw(st.sampled_from(["", "lower", "need"])),
        channels=draw(st.none() | st.lists(st.sampled_from(CHANNELS), unique=True).map(tuple)),
        hint=draw(NOTES),
        note=draw(NOTES),
        source=draw(NOTES),
        added=draw(st.none() | DAYS),
        reviewer=draw(NOTES),
        expires=draw(st.none() | DAYS),
    )


SETTINGS = st.builds(
    LexiconSettings,
    name=st.sampled_from(["", "mine"]),
    noise=st.sampled_from(["", "#"]),
    channels=st.dictionaries(
        st.sampled_from(["*", "A.1"]), st.dictionaries(st.sampled_from(CHANNELS[1:]), st.floats(0, 1))
    ),
    lists=st.lists(st.builds(PlainList, file=st.just("l.txt"), risk=st.just("A.1.f"), line=st.integers(0, 9))).map(
        tuple
    ),
)


def contents() -> st.SearchStrategy[Content]:
    """As reading files would give them: no term twice for the same risk."""
    unique = st.lists(terms(), max_size=6, unique_by=lambda term: (term.folded, term.risk)).map(tuple)
    return st.builds(Content, SETTINGS, unique, st.lists(TEXTS, max_size=2, unique=True).map(tuple))
