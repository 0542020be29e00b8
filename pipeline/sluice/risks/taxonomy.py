"""The risks of GB/T 45654-2025 as data: names, protected attributes, and the same risk in other vocabularies."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType
from typing import Literal

import msgspec
import yaml

from sluice.errors import InputError

__all__ = ["GROUPS", "RISKS", "Attribute", "Group", "Risk", "risk", "suggest"]

Attribute = Literal["ethnicity", "belief", "nationality", "region", "gender", "age", "occupation", "health", "other"]
"""What discrimination (A.2) is about; `other` is the standard's own catch-all."""


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the five groups of risks, `A.1` to `A.5`."""

    id: str
    zh: str
    en: str


class Risk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the 31 risks, `A.1.a` to `A.5.b`."""

    id: str
    zh: str
    """The standard's own name."""
    en: str
    maps: Mapping[str, tuple[str, ...]]
    """By vocabulary (`llama_guard`, `dsa`): the categories that cover this risk, perhaps only in part."""
    attribute: Attribute | None = None
    """For discrimination (A.2.*): the protected attribute that a finding names."""
    decidable: bool = True
    """Whether a filter can decide it at all. False: it is tested elsewhere, and no finding names it."""

    @property
    def group(self) -> str:
        """The id of its group, e.g. `A.2`."""
        return self.id.rpartition(".")[0]


class _Taxonomy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    groups: list[Group]
    risks: list[Risk]


def _load() -> _Taxonomy:
    text = resources.files(__package__).joinpath("risks.yaml").read_text(encoding="utf-8")
    return msgspec.convert(yaml.safe_load(text), _Taxonomy)


_taxonomy = _load()

GROUPS: Mapping[str, Group] = MappingProxyType({group.id: group for group in _taxonomy.groups})
"""The groups by id, in the standard's order."""

RISKS: Mapping[str, Risk] = MappingProxyType({item.id: item for item in _taxonomy.risks})
"""The risks by id, in the standard's order."""


def risk(id: str) -> Risk:
    """The risk with this id.

    Raises:
        InputError: there is none; the message suggests the ids closest to it.
    """
    found = RISKS.get(id)
    if found is None:
        raise InputError(f"unknown risk id {id!r:.60}{suggest(id)}")
    return found


def suggest(id: str) -> str:
    """The end of an error message about an unknown risk id: what its writer may have meant."""
    folded = id.strip().upper().replace("_", ".").replace("-", ".")
    same = [item for item in RISKS if item.upper() == folded]
    siblings = [item for item in RISKS if item.startswith(f"{folded[:3]}.")]
    if not same and siblings and len(folded) > 3:
        return f"; {folded[:3]} has {siblings[0]} to {siblings[-1]}"
    close = same or difflib.get_close_matches(folded, RISKS, n=3)
    if close:
        return f", did you mean {' or '.join(close)}?"
    ordered = list(RISKS)
    return f"; the ids are {ordered[0]} to {ordered[-1]}"
