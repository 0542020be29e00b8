"""A profile: what is looked for, what each finding leads to, and what happens when something fails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from sluice.contract.decision import Finding, OrderKind

__all__ = ["DetectorName", "FailureMode", "GapRule", "Mode", "Profile", "ReleaseUnit", "RiskRule", "Verdict"]

Mode = Literal["hold", "live", "monitor"]
ReleaseUnit = Literal["sentence", "delta"]
FailureMode = Literal["closed", "open"]
DetectorName = Literal["lexicon", "classifier"]
Verdict = Literal["stop", "flag", "pass"]

_Score = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Millis = Annotated[int, msgspec.Meta(ge=1, le=600_000)]


class RiskRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a finding of one risk leads to. A score equal to a threshold reaches it; `None` turns it off.

    These are the values of a rule made in code. In a policy file a rule inherits what it does not say from its
    group, then from `*`, then from the profile's `on_failure`, and only then from here.
    """

    flag: _Score | None = None
    """Score from which a finding is put before a person."""
    stop: _Score | None = None
    """Score from which `then` is ordered; not below `flag`."""
    then: tuple[OrderKind, ...] = ("stop_generation", "stop_transmission")
    """Orders given when `stop` is reached, in this order."""
    on_failure: FailureMode = "closed"
    """Whether text is blocked or passed while a detector for this risk does not answer."""


class GapRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What happens when a `seq` or `start` does not fit."""

    wait_ms: _Millis = 1_000
    """How long the missing delta is waited for; nothing later is released meanwhile."""
    then: Literal["stop"] = "stop"
    """Text that is missing cannot be moderated, so the only outcome is a stop, recorded as `gap`."""


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A named policy for one tenant or audience."""

    name: str
    mode: Mode = "hold"
    release_unit: ReleaseUnit = "sentence"
    unit_chars: Annotated[int, msgspec.Meta(ge=16, le=2_000)] = 120
    """Characters after which an unfinished sentence is scored and released as a unit of its own."""
    unit_ms: _Millis = 1_500
    """Milliseconds after which what there is of a slow sentence is scored and released."""
    deadline_ms: _Millis = 5_000
    """How long a reader's gate waits for the release of a character before `on_failure` applies. What the lexicon holds
    back because a term may have begun is released after half of it, if nothing comes to decide it."""
    on_failure: FailureMode = "closed"
    """What the gate does at the deadline: withhold the text (`closed`) or show it unscanned (`open`)."""
    on_context_lost: FailureMode = "closed"
    """Whether a stream whose earlier text cannot be rebuilt after a crash is stopped or goes on unscanned."""
    gap: GapRule = GapRule()
    detectors: tuple[DetectorName, ...] = ("lexicon", "classifier")
    """Detectors whose clearance is needed. The lexicon is the floor and cannot be left out."""
    strong_every: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    """Of a cascade: every so many units of a channel one is judged by the strong member, whatever the cheap one says of
    it. `None`: only where the cheap one is in doubt."""
    risks: Mapping[str, RiskRule] = {}
    """By risk id (`A.2.e`), group (`A.2`) or `*`; the most specific one holds, and holds alone."""

    def rule(self, risk: str) -> RiskRule:
        """The rule for a risk id: its own, else its group's, else `*`, else one that does nothing."""
        while risk:
            found = self.risks.get(risk)
            if found is not None:
                return found
            risk = risk.rpartition(".")[0]
        return self.risks.get("*", _NOTHING)

    def judge(self, finding: Finding) -> Verdict:
        """What this profile says of a finding, before the mode is applied."""
        rule = self.rule(finding.risk)
        if rule.stop is not None and finding.score >= rule.stop:
            return "stop"
        if rule.flag is not None and finding.score >= rule.flag:
            return "flag"
        return "pass"


_NOTHING = RiskRule()
