"""A profile as a policy file would say it: in full, with no parent, and each risk only where it differs."""

from __future__ import annotations

from typing import Any

import msgspec

from sluice.policy.document import VERSION
from sluice.policy.profile import Profile, RiskRule
from sluice.risks import GROUPS, RISKS

__all__ = ["to_document"]


def to_document(profile: Profile) -> dict[str, Any]:
    """A policy document with this one profile; reading it back gives the same rules."""
    values = msgspec.to_builtins(profile)
    risks: dict[str, dict[str, Any]] = {}
    rules = {"*": profile.risks.get("*", RiskRule())}
    _keep(risks, "*", rules["*"], RiskRule(on_failure=profile.on_failure))
    for group in GROUPS:
        rules[group] = profile.rule(group)
        _keep(risks, group, rules[group], rules["*"])
    for risk in RISKS.values():
        _keep(risks, risk.id, profile.rule(risk.id), rules[risk.group])
    name = values.pop("name")
    return {"version": VERSION, "profiles": {name: {**values, "risks": risks}}}


def _keep(risks: dict[str, dict[str, Any]], key: str, rule: RiskRule, inherited: RiskRule) -> None:
    own, above = msgspec.to_builtins(rule), msgspec.to_builtins(inherited)
    if differs := {name: value for name, value in own.items() if value != above[name]}:
        risks[key] = differs
