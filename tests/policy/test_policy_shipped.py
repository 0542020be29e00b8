"""The profiles that ship, and what a policy does with names."""

from __future__ import annotations

import pytest

from sluice.contract.decision import Finding, OrderKind
from sluice.errors import InputError
from sluice.policy import Policy, Profile, RiskRule
from sluice.risks import RISKS

SHIPPED = Policy.shipped()
STOPS: tuple[OrderKind, ...] = ("stop_generation", "stop_transmission")


def finding(risk: str, score: float) -> Finding:
    return Finding(risk=risk, source="classifier", rule="head", score=score, start=0, end=1)


def test_three_profiles_ship() -> None:
    assert list(SHIPPED.profiles) == ["default", "minor", "monitor"]
    assert all(profile.name == name for name, profile in SHIPPED.profiles.items())
    assert SHIPPED.notes == ()


def test_default_holds_sentences_and_fails_closed() -> None:
    default = SHIPPED.profile("default")
    assert (default.mode, default.release_unit, default.detectors) == ("hold", "sentence", ("lexicon", "classifier"))
    assert (default.on_failure, default.on_context_lost) == ("closed", "closed")
    assert default.rule("A.1.d") == RiskRule(flag=0.7, stop=0.9, then=STOPS, on_failure="closed")


@pytest.mark.parametrize("name", ["default", "minor", "monitor"])
def test_self_harm_brings_support_and_nothing_else_does(name: str) -> None:
    profile = SHIPPED.profile(name)
    assert [id for id in RISKS if "support" in profile.rule(id).then] == ["A.4.a"]


@pytest.mark.parametrize("name", ["default", "minor", "monitor"])
def test_every_risk_that_a_filter_decides_is_on_and_no_other(name: str) -> None:
    profile = SHIPPED.profile(name)
    assert [id for id in RISKS if profile.rule(id).stop is not None] == [id for id, r in RISKS.items() if r.decidable]


def test_minor_is_nowhere_laxer_than_default() -> None:
    default, minor = SHIPPED.profile("default"), SHIPPED.profile("minor")
    for id, item in RISKS.items():
        if item.decidable:
            ours, theirs = minor.rule(id), default.rule(id)
            assert (ours.flag or 0) < (theirs.flag or 0)
            assert (ours.stop or 0) < (theirs.stop or 0)


def test_monitor_decides_as_default_does_and_stops_nothing_at_a_failure() -> None:
    default, monitor = SHIPPED.profile("default"), SHIPPED.profile("monitor")
    assert monitor.mode == "monitor"
    assert (monitor.on_failure, monitor.on_context_lost) == ("open", "open")
    for id in RISKS:
        ours, theirs = monitor.rule(id), default.rule(id)
        assert (ours.flag, ours.stop, ours.then, ours.on_failure) == (theirs.flag, theirs.stop, theirs.then, "open")


def test_a_score_that_equals_a_threshold_reaches_it() -> None:
    default = SHIPPED.profile("default")
    judged = [default.judge(finding("A.1.a", score)) for score in (0.699, 0.7, 0.899, 0.9, 1.0)]
    assert judged == ["pass", "flag", "flag", "stop", "stop"]
    assert default.judge(finding("A.5.a", 1.0)) == "pass"


def test_lexicon_severities_lead_where_the_comments_say() -> None:
    default, minor = SHIPPED.profile("default"), SHIPPED.profile("minor")
    assert [default.judge(finding("A.1.h", score)) for score in (0.6, 0.9, 1.0)] == ["pass", "stop", "stop"]
    assert [minor.judge(finding("A.1.h", score)) for score in (0.6, 0.9, 1.0)] == ["flag", "stop", "stop"]
    assert default.judge(finding("A.4.a", 0.6)) == "flag"


def test_an_id_beyond_the_standard_falls_back_to_its_group_and_to_the_star() -> None:
    profile = Profile(name="x", risks={"A.1": RiskRule(stop=0.1), "*": RiskRule(stop=0.2)})
    assert profile.rule("A.1.zz").stop == 0.1
    assert profile.rule("B.1").stop == 0.2
    assert Profile(name="x").rule("A.1.a") == RiskRule()


def test_an_unknown_name_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(InputError, match="unknown profile 'minors', did you mean 'minor'"):
        SHIPPED.profile("minors")
    with pytest.raises(InputError, match="unknown profile 'zzz'; known are default, minor, monitor"):
        SHIPPED.profile("zzz")


def test_the_shipped_policy_is_read_once() -> None:
    assert Policy.shipped() is SHIPPED


def test_profiles_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        SHIPPED.profiles["x"] = SHIPPED.profile("minor")  # type: ignore[index]
