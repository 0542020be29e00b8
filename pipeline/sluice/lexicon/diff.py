"""What one lexicon has that another has not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from sluice.lexicon.files import Content
from sluice.lexicon.term import Term

__all__ = ["Changed", "LexiconDiff", "Setting", "diff"]


class Changed(msgspec.Struct, frozen=True):
    """A term that both have, and say something else about."""

    before: Term
    after: Term
    fields: tuple[str, ...]
    """Names of the fields that differ, in the order of `Term`."""


class Setting(msgspec.Struct, frozen=True):
    """A setting of `lexicon.yaml` that differs."""

    name: str
    before: Any
    after: Any


class LexiconDiff(msgspec.Struct, frozen=True):
    """All that differs between two lexicons; the order of their terms does not count."""

    added: tuple[Term, ...] = ()
    removed: tuple[Term, ...] = ()
    changed: tuple[Changed, ...] = ()
    settings: tuple[Setting, ...] = ()
    harmless_added: tuple[str, ...] = ()
    harmless_removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any(getattr(self, field) for field in self.__struct_fields__)


def diff(before: Content, after: Content) -> LexiconDiff:
    """What became of `before`.

    A term is the same one if it folds to the same for the same risk. Where that leaves one term of a folded form on
    either side, it has changed its risk.
    """
    old = {(term.risk, term.folded): term for term in before.terms}
    new = {(term.risk, term.folded): term for term in after.terms}
    pairs = [(term, new[key]) for key, term in old.items() if key in new]
    removed = {key: term for key, term in old.items() if key not in new}
    added = {key: term for key, term in new.items() if key not in old}
    moved_from, moved_to = _alone(removed), _alone(added)
    for folded, key in moved_from.items():
        if folded in moved_to:
            pairs.append((removed.pop(key), added.pop(moved_to[folded])))
    changed = (Changed(a, b, _fields(a, b)) for a, b in pairs if a != b)
    return LexiconDiff(
        added=_ordered(added.values()),
        removed=_ordered(removed.values()),
        changed=tuple(sorted(changed, key=lambda change: _order(change.after))),
        settings=_settings(before, after),
        harmless_added=tuple(sorted(set(after.harmless) - set(before.harmless))),
        harmless_removed=tuple(sorted(set(before.harmless) - set(after.harmless))),
    )


def _alone(terms: dict[tuple[str, str], Term]) -> dict[str, tuple[str, str]]:
    """The keys of the terms that share their folded form with no other, by that form."""
    found: dict[str, list[tuple[str, str]]] = {}
    for key in terms:
        found.setdefault(key[1], []).append(key)
    return {folded: keys[0] for folded, keys in found.items() if len(keys) == 1}


def _fields(a: Term, b: Term) -> tuple[str, ...]:
    return tuple(field for field in Term.__struct_fields__ if getattr(a, field) != getattr(b, field))


def _settings(before: Content, after: Content) -> tuple[Setting, ...]:
    a, b = (_comparable(content) for content in (before, after))
    return tuple(Setting(name, a[name], b[name]) for name in a if a[name] != b[name])


def _comparable(content: Content) -> dict[str, Any]:
    values: dict[str, Any] = msgspec.to_builtins(content.settings)
    for listed in values["lists"]:
        del listed["line"]  # where the file says it, not what
    return values


def _ordered(terms: Iterable[Term]) -> tuple[Term, ...]:
    return tuple(sorted(terms, key=_order))


def _order(term: Term) -> tuple[str, str, str]:
    return term.risk, term.category, term.folded
