"""What holds for each stream: profiles read from a policy file, and those that ship."""

from sluice.policy.loader import Policy
from sluice.policy.profile import (
    DetectorName,
    FailureMode,
    GapRule,
    Mode,
    Profile,
    ReleaseUnit,
    RiskRule,
    Verdict,
)

__all__ = [
    "DetectorName",
    "FailureMode",
    "GapRule",
    "Mode",
    "Policy",
    "Profile",
    "ReleaseUnit",
    "RiskRule",
    "Verdict",
]
