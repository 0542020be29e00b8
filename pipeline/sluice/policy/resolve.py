"""From settings as written to profiles as they hold: what a profile inherits, and what its risks do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sluice.policy.document import Draft, Leaf
from sluice.policy.nodes import Report, clip, did_you_mean
from sluice.policy.profile import GapRule, Profile, RiskRule
from sluice.risks import GROUPS, RISKS

__all__ = ["Rules", "build", "inherit", "rules_of"]

Rules = dict[str, dict[str, Leaf]]
"""By `*`, group and risk id: those fields of its rule that are written anywhere."""


def inherit(drafts: Mapping[str, Draft], shipped: Mapping[str, Draft], report: Report) -> dict[str, Draft]:
    """The drafts with the settings of all that they extend, the nearest winning, field by field.

    A parent is sought in the file first, then among the shipped profiles; a profile that extends its own name means
    the shipped one. Drafts whose parents are unknown or extend each other are reported and left out.
    """
    parents = {
        draft.name: (draft.extends.value in drafts and draft.extends.value != draft.name, draft.extends.value)
        for draft in drafts.values()
        if draft.extends
    }
    whole = {(False, name): draft for name, draft in shipped.items()}
    waiting = dict(drafts)
    while ready := [name for name in waiting if name not in parents or parents[name] in whole]:
        for name in ready:
            draft = waiting.pop(name)
            above = whole[parents[name]].settings if name in parents else {}
            whole[True, name] = replace(draft, settings={**above, **draft.settings})
    for name in waiting:
        _report_lost(drafts[name], parents, [*drafts, *shipped], report)
    return {name: whole[True, name] for name in drafts if name not in waiting}


def _report_lost(draft: Draft, parents: Mapping[str, tuple[bool, str]], known: list[str], report: Report) -> None:
    """Why a profile inherits nothing. One that only hangs on a profile with such a fault is no fault of its own."""
    extends = draft.extends
    assert extends is not None  # noqa: S101
    in_file, parent = parents[draft.name]
    if not in_file:
        others = [name for name in dict.fromkeys(known) if name != draft.name]
        report.add(extends.line, extends.key, f"unknown profile {clip(parent)}{did_you_mean(parent, others)}")
        return
    way = {draft.name: None}
    while in_file and parent not in way:
        way[parent] = None
        in_file, parent = parents[parent]
    if in_file and parent == draft.name:
        shown = list(way) if len(way) <= 8 else [*list(way)[:7], "…"]
        report.add(extends.line, extends.key, f"extends itself: {' → '.join([*map(clip, shown), clip(parent)])}")


def rules_of(draft: Draft) -> Rules:
    """What each risk does: what it does not say itself is its group's, then that of `*`, then the profile's."""
    written: Rules = {}
    for path, leaf in draft.settings.items():
        if path[0] == "risks":
            written.setdefault(path[1], {})[path[2]] = leaf
    outer = {"on_failure": draft.settings["on_failure",]} if ("on_failure",) in draft.settings else {}
    rules = {"*": outer | written.get("*", {})}
    for group in GROUPS:
        rules[group] = rules["*"] | written.get(group, {})
    for risk in RISKS.values():
        rules[risk.id] = rules[risk.group] | written.get(risk.id, {})
    return rules


def build(draft: Draft, rules: Rules) -> Profile:
    """The profile that whole settings describe."""
    values: dict[str, Any] = {path[0]: leaf.value for path, leaf in draft.settings.items() if len(path) == 1}
    gap = {path[1]: leaf.value for path, leaf in draft.settings.items() if path[0] == "gap"}
    return Profile(
        name=draft.name,
        gap=GapRule(**gap),
        risks={key: RiskRule(**{name: leaf.value for name, leaf in rule.items()}) for key, rule in rules.items()},
        **values,
    )
