"""The risks that findings name: GB/T 45654-2025 as data."""

from sluice.risks.taxonomy import GROUPS, RISKS, Attribute, Group, Risk, risk, suggest

__all__ = ["GROUPS", "RISKS", "Attribute", "Group", "Risk", "risk", "suggest"]
