"""What a label can stand for: a head of the model, a risk, a group of risks, or any harm at all."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from sluice.contract.decision import Finding
from sluice.errors import InputError
from sluice.moderation.detector import Head
from sluice.policy.nodes import clip, did_you_mean
from sluice.risks import GROUPS, RISKS

__all__ = ["ANY", "Target", "Targets"]

ANY = "any"
"""Harm of any kind."""


class Target(msgspec.Struct, frozen=True):
    """Something that detectors are measured on."""

    name: str
    heads: tuple[int, ...]
    """The model's columns that find it."""
    risk: str
    """The risk or group that covers it; empty for any harm."""
    head: str = ""
    """Name of the head, where it is one; other heads of its risk find something else."""


class Targets:
    """All that a label may name, and which of it a finding is about."""

    def __init__(self, heads: Sequence[Head]) -> None:
        self.heads = [head.name for head in heads]
        found = [Target(ANY, tuple(range(len(heads))), "")]
        found += [Target(head.name, (n,), head.risk, head.name) for n, head in enumerate(heads)]
        for risk in (*RISKS, *GROUPS):
            found.append(Target(risk, tuple(n for n, head in enumerate(heads) if _within(head.risk, risk)), risk))
        self.all: Sequence[Target] = found
        """Any harm first."""
        self._places = {target.name: place for place, target in enumerate(found)}
        self._of: dict[tuple[str, str], tuple[int, ...]] = {}

    def place(self, name: str) -> int:
        """Where a target stands in `all`.

        Raises:
            InputError: there is none of this name.
        """
        place = self._places.get(name)
        if place is None:
            known = ("clean", "ignore", *self._places)
            raise InputError(f"{clip(name)} is no head of the model, no risk and no group{did_you_mean(name, known)}")
        return place

    def covering(self, place: int) -> list[int]:
        """The targets that are so wherever this one is: itself, its risk, its group, any harm."""
        one = self.all[place]
        return [
            n
            for n, other in enumerate(self.all)
            if n == place or (not other.head and _within(one.risk, other.risk) and (one.risk or not other.risk))
        ]

    def about(self, finding: Finding) -> tuple[int, ...]:
        """The targets that a finding speaks for, as places in `all`.

        A term of the lexicon speaks for the head that its file is named for; where there is no such head, for every
        head of its risk.
        """
        kind = finding.rule.rpartition("-")[0] if finding.source == "lexicon" else finding.rule
        key = (kind, finding.risk)
        found = self._of.get(key)
        if found is None:
            found = self._of[key] = tuple(n for n, one in enumerate(self.all) if self._speaks(kind, finding, one))
        return found

    def _speaks(self, kind: str, finding: Finding, target: Target) -> bool:
        if target.head and kind in self.heads:
            return target.head == kind
        return _within(finding.risk, target.risk)


def _within(risk: str, whole: str) -> bool:
    return not whole or risk == whole or risk.startswith(f"{whole}.")
