"""What must fit together in a profile, once it has all that it inherits, although each value is right by itself."""

from __future__ import annotations

from sluice.policy.document import Draft, Leaf
from sluice.policy.nodes import Report
from sluice.policy.profile import Profile
from sluice.policy.resolve import Rules

__all__ = ["check", "check_moderates", "note"]

_SUPPORT_RISK = "A.4.a"


def check(draft: Draft, profile: Profile, rules: Rules, report: Report) -> None:
    """Report what cannot hold together, at the line of this file that brought it about."""
    settings = draft.settings
    if profile.unit_ms > profile.deadline_ms:
        message = f"unit_ms {profile.unit_ms} is above deadline_ms {profile.deadline_ms}: slow sentences would miss it"
        _add(report, draft, message, settings.get(("unit_ms",)), settings.get(("deadline_ms",)))
    for key, rule in profile.risks.items():
        written = rules[key]
        if rule.flag is not None and rule.stop is not None and rule.flag > rule.stop:
            message = f"flag {rule.flag} is above stop {rule.stop}: nothing would be flagged before it is stopped"
            _add(report, draft, message, written["flag"], written["stop"])
        if profile.on_failure == "open" and rule.on_failure == "closed" and rule.stop is not None:
            message = "closed for a risk, open for the profile: at the deadline its gate would show the text"
            _add(report, draft, message, written["on_failure"], settings["on_failure",])


def check_moderates(draft: Draft, profile: Profile, report: Report) -> None:
    """Report a profile under which no finding of any risk does anything, which no one means."""
    if all(rule.flag is None and rule.stop is None for rule in profile.risks.values()):
        message = "no risk has a threshold, so nothing is moderated; did you mean 'extends: default'?"
        report.add(draft.line, draft.key, message)


def note(draft: Draft, profile: Profile, notes: Report) -> None:
    """Report what is allowed and may not be what its author expects."""
    settings = draft.settings
    if profile.mode == "live":
        message = "live mode shows text before it is checked; a stop then also orders retract, whether listed or not"
        _add(notes, draft, message, settings["mode",])
    if profile.mode == "monitor":
        for key in ("on_failure", "on_context_lost"):
            if getattr(profile, key) == "closed":
                message = f"monitor mode stops nothing that it finds, and yet stops at a failure unless {key} is open"
                _add(notes, draft, message, settings["mode",], settings.get((key,)))
    if profile.gap.wait_ms > profile.deadline_ms:
        message = (
            f"wait_ms {profile.gap.wait_ms} is above deadline_ms {profile.deadline_ms}: gates give up before it ends"
        )
        _add(notes, draft, message, settings.get(("gap", "wait_ms")), settings.get(("deadline_ms",)))
    for path, leaf in settings.items():
        if path[0] != "risks" or not leaf.own:
            continue
        if path[2] == "then" and "support" in leaf.value and path[1] != _SUPPORT_RISK:
            message = f"support is a crisis answer for self-harm ({_SUPPORT_RISK}), and is given for more here"
            _add(notes, draft, message, leaf)
        if path[2] in ("flag", "stop") and leaf.value is not None and path[1].startswith("A.5"):
            _add(notes, draft, "has no effect: no filter decides whether text is accurate or helpful", leaf)


def _add(report: Report, draft: Draft, message: str, *leaves: Leaf | None) -> None:
    """Blame the last in the file of the values at odds; what the shipped policy says was right before."""
    own = [leaf for leaf in leaves if leaf is not None and leaf.own]
    if own:
        last = max(own, key=lambda leaf: leaf.line)
        report.add(last.line, last.key, message)
    else:
        report.add(draft.line, draft.key, message)
