"""The difference of two lexicons is all of it, and nothing else."""

from __future__ import annotations

import msgspec
from hypothesis import given
from made_lexicons import contents

from sluice.lexicon.diff import LexiconDiff, diff
from sluice.lexicon.files import Content
from sluice.lexicon.settings import LexiconSettings, PlainList
from sluice.lexicon.term import Term

A, B = Term("冰毒", "A.1.h", 2, "drugs"), Term("大麻", "A.1.h", 1, "drugs")


def content(*terms: Term, settings: LexiconSettings | None = None, harmless: tuple[str, ...] = ()) -> Content:
    return Content(settings or LexiconSettings(), terms, harmless)


def applied(found: LexiconDiff, before: Content) -> tuple[set[str], set[str]]:
    """The terms and harmless texts that `before` becomes."""
    gone = {repr(t) for t in found.removed} | {repr(c.before) for c in found.changed}
    come = {repr(t) for t in found.added} | {repr(c.after) for c in found.changed}
    terms = {repr(t) for t in before.terms}
    assert gone <= terms and not (terms - gone) & come
    return (terms - gone) | come, set(before.harmless) - set(found.harmless_removed) | set(found.harmless_added)


@given(contents(), contents())
def test_applied_to_the_one_it_gives_the_other(before: Content, after: Content) -> None:
    found = diff(before, after)
    assert applied(found, before) == ({repr(t) for t in after.terms}, set(after.harmless))
    for change in found.changed:
        fields = {field: getattr(change.after, field) for field in change.fields}
        assert msgspec.structs.replace(change.before, **fields) == change.after and change.fields
    names = {setting.name: setting.after for setting in found.settings}
    assert all(msgspec.to_builtins(after.settings)[name] == value for name, value in names.items() if name != "lists")


@given(contents())
def test_there_is_none_to_itself_in_any_order(given_content: Content) -> None:
    turned = msgspec.structs.replace(given_content, terms=given_content.terms[::-1])
    assert not diff(given_content, turned)


@given(contents(), contents())
def test_backwards_it_is_the_other_way_round(before: Content, after: Content) -> None:
    there, back = diff(before, after), diff(after, before)
    assert (there.added, there.removed) == (back.removed, back.added)
    assert {(repr(c.before), repr(c.after)) for c in there.changed} == {
        (repr(c.after), repr(c.before)) for c in back.changed
    }


def test_a_term_that_changed_its_risk_is_the_same_term() -> None:
    moved = msgspec.structs.replace(A, risk="A.1.f", severity=3)
    (change,) = diff(content(A, B), content(B, moved)).changed
    assert change.fields == ("risk", "severity")
    both = diff(content(A), content(moved, msgspec.structs.replace(A, risk="A.4.a")))
    assert (both.changed, both.removed, len(both.added)) == ((), (A,), 2)


def test_another_surface_is_a_change_of_the_text() -> None:
    (change,) = diff(content(A), content(msgspec.structs.replace(A, text="冰*毒"))).changed
    assert change.fields == ("text",)


def test_settings_but_not_where_they_stand() -> None:
    one = LexiconSettings(noise="#", lists=(PlainList("l.txt", "A.1.f", line=3),))
    two = LexiconSettings(noise="", lists=(PlainList("l.txt", "A.1.f", line=9),))
    (setting,) = diff(content(settings=one), content(settings=two)).settings
    assert (setting.name, setting.before, setting.after) == ("noise", "#", "")
