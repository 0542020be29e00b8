"""Lexicons that hypothesis makes up, as reading files would give them: nothing in them would be refused.

What only has to come through unchanged is drawn from a few values: a content has many fields, and drawing each one
freely takes so long on a busy machine that hypothesis gives up.
"""

from __future__ import annotations

from datetime import date

import msgspec
from hypothesis import strategies as st

from sluice.lexicon.files import Content
from sluice.lexicon.settings import LexiconSettings, PlainList
from sluice.lexicon.term import CHANNELS, Term
from sluice.risks import RISKS

TEXTS = st.text("冰毒大麻花abc好", min_size=2, max_size=5)
LONGER = st.lists(TEXTS, max_size=2, unique=True)
DAYS = st.sampled_from([None, date(2020, 2, 29), date(2026, 11, 24), date(2030, 1, 1)])
NOTES = st.sampled_from(["", "note", "说明，𠮷", '\n\u202e"\\\0'])
CONFIDENCES = st.dictionaries(st.sampled_from(CHANNELS[1:]), st.sampled_from([0.0, 0.1, 1 / 3, 1.0]), max_size=3)
TERMS = st.builds(
    Term,
    text=TEXTS,
    risk=st.sampled_from(list(RISKS)[:3]),
    severity=st.integers(1, 3),
    category=st.sampled_from(["drugs", "porn"]),
    word=st.booleans(),
    boundary=st.sampled_from(["", "lower", "need"]),
    channels=st.none() | st.lists(st.sampled_from(CHANNELS), max_size=3, unique=True).map(tuple),
    hint=NOTES,
    note=st.text(max_size=4),
    source=NOTES,
    added=DAYS,
    reviewer=NOTES,
    expires=DAYS,
)
ALLOWING = st.builds(
    lambda term, longer: msgspec.structs.replace(term, allow=tuple(term.text + more for more in longer)), TERMS, LONGER
)
SETTINGS = st.builds(
    LexiconSettings,
    name=st.sampled_from(["", "mine"]),
    noise=st.sampled_from(["", "#"]),
    channels=st.dictionaries(st.sampled_from(["*", "A.1", "A.1.a"]), CONFIDENCES, max_size=2),
    lists=st.lists(
        st.builds(PlainList, file=st.just("l.txt"), risk=st.just("A.1.f"), line=st.integers(0, 9)), max_size=2
    ).map(tuple),
)
UNIQUE = st.lists(ALLOWING, max_size=4, unique_by=lambda term: (term.folded, term.risk)).map(tuple)


def contents() -> st.SearchStrategy[Content]:
    return st.builds(Content, SETTINGS, UNIQUE, st.lists(TEXTS, max_size=2, unique=True).map(tuple))
