"""What a profile takes from its parents, and a risk from its group and the star."""

from __future__ import annotations

import pytest

from sluice.policy import Policy, RiskRule

SHIPPED = Policy.shipped()


def parse(profiles: str) -> Policy:
    return Policy.parse(f"version: 1\nprofiles:\n{profiles}")


def test_a_file_brings_its_own_profiles_and_default_is_always_there() -> None:
    policy = parse("  chat: {extends: default, deadline_ms: 8000}")
    assert set(policy.profiles) == {"default", "chat"}
    assert policy.profile("default") == SHIPPED.profile("default")
    assert policy.profile("chat").deadline_ms == 8000
    assert policy.profile("chat").risks == SHIPPED.profile("default").risks


def test_a_default_of_the_file_takes_the_place_of_the_shipped_one_and_may_extend_it() -> None:
    policy = parse("  default: {extends: default, unit_chars: 50}\n  chat: {extends: default}")
    assert policy.profile("default").unit_chars == policy.profile("chat").unit_chars == 50
    assert policy.profile("chat").risks == SHIPPED.profile("default").risks


def test_a_shipped_profile_is_the_same_whatever_the_file_calls_default() -> None:
    policy = parse("  default: {extends: default, mode: monitor, on_failure: open}\n  kids: {extends: minor}")
    assert policy.profile("kids").mode == "hold"
    assert policy.profile("kids").risks == SHIPPED.profile("minor").risks


def test_parents_may_come_later_in_the_file() -> None:
    policy = parse("  c: {extends: b}\n  b: {extends: a, unit_ms: 7}\n  a: {extends: default, unit_chars: 33}")
    assert (policy.profile("c").unit_ms, policy.profile("c").unit_chars) == (7, 33)


def test_extends_merges_risk_by_risk_and_field_by_field() -> None:
    policy = parse(
        """
  a: {gap: {wait_ms: 5}, risks: {"*": {flag: 0.1, stop: 0.9}, A.1: {stop: 0.8}, A.1.a: {flag: 0.5}}}
  b: {extends: a, risks: {A.1: {flag: 0.2}, A.1.a: {stop: 0.6}, A.2.e: {stop: 0.3}}}
"""
    )
    b = policy.profile("b")
    assert b.gap.wait_ms == 5
    assert (b.rule("A.1.a").flag, b.rule("A.1.a").stop) == (0.5, 0.6)
    assert (b.rule("A.1.b").flag, b.rule("A.1.b").stop) == (0.2, 0.8)
    assert (b.rule("A.2.e").flag, b.rule("A.2.e").stop) == (0.1, 0.3)
    assert (b.rule("A.3.a").flag, b.rule("A.3.a").stop) == (0.1, 0.9)


def test_the_star_does_not_reach_a_risk_that_says_it_itself() -> None:
    kids = parse('  kids: {extends: minor, risks: {"*": {flag: 0.2, stop: 0.3}}}').profile("kids")
    assert kids.rule("A.1.a").stop == 0.3
    assert kids.rule("A.1.f").stop == 0.7
    assert kids.rule("A.5.a") == RiskRule(then=kids.rule("A.5.a").then)


def test_null_turns_off_and_is_inherited() -> None:
    policy = parse("  a: {extends: default, risks: {A.3: {stop: null}}}\n  b: {extends: a}")
    assert (policy.profile("b").rule("A.3.c").flag, policy.profile("b").rule("A.3.c").stop) == (0.7, None)


def test_a_risk_fails_as_its_profile_does_unless_it_says_so() -> None:
    policy = parse(
        """
  a: {extends: default, on_failure: open}
  b: {extends: default, risks: {A.2: {on_failure: open}, A.2.a: {on_failure: closed}}}
"""
    )
    assert policy.profile("a").rule("A.1.a").on_failure == "open"
    assert [policy.profile("b").rule(id).on_failure for id in ("A.1.a", "A.2.a", "A.2.b")] == [
        "closed",
        "closed",
        "open",
    ]


def test_the_order_of_a_list_means_nothing() -> None:
    one = parse(
        """
  a:
    extends: default
    detectors: [classifier, lexicon]
    risks: {A.4.a: {then: [support, retract, stop_transmission]}}
"""
    )
    two = parse(
        """
  a:
    extends: default
    detectors: [lexicon, classifier]
    risks: {A.4.a: {then: [retract, stop_transmission, support]}}
"""
    )
    assert one == two
    assert one.profile("a").rule("A.4.a").then == ("stop_transmission", "retract", "support")


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("  default: {extends: default}", True),
        ("  default: {extends: default, mode: hold} # a comment", True),
        ("  default: {extends: default, risks: {A.1.a: {stop: 0.90}}}", True),
        ("  default: {extends: default, risks: {A.1.a: {stop: 0.91}}}", False),
        ("  default: {extends: default, risks: {A.5.a: {then: [stop_transmission]}}}", False),
        ("  default: {extends: default}\n  also: {extends: default}", False),
    ],
)
def test_the_version_is_of_what_holds_and_not_of_how_it_is_written(text: str, same: bool) -> None:
    alone = parse("  default: {extends: default}").version
    assert (parse(text).version == alone) is same
    assert len(alone) == 12
    assert int(alone, 16) >= 0
