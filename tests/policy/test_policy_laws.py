"""Laws that hold for any policy file: only a PolicyError comes out, merging is associative, form is no content."""

from __future__ import annotations

import random
from importlib import resources
from typing import Any

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sluice.errors import PolicyError
from sluice.policy import Policy
from sluice.policy.export import to_document
from sluice.risks import GROUPS, RISKS

SHIPPED_TEXT = resources.files("sluice.policy").joinpath("shipped.yaml").read_text(encoding="utf-8")
RISK_KEYS = ["*", "A.1", "A.1.a", "A.1.f", "A.2", "A.2.e", "A.4.a", "A.5"]


# --- any text ---------------------------------------------------------------------------------------------------


def read(text: str) -> Policy | None:
    """The policy, or None after making sure that the error names places in the file, one problem to a line."""
    try:
        return Policy.parse(text, "f.yaml")
    except PolicyError as error:
        lines = str(error).split("\n")
        assert len(lines) == len(error.problems) > 0
        assert all(line.startswith("f.yaml:") for line in lines)
        assert all(0 <= problem.line <= len(text.splitlines()) + 1 and problem.message for problem in error.problems)
        return None


@given(st.text() | st.text("abA1.*:{}[]-'\"#&!%|>?,~\n\t \\Ux0\ufeff\u2028\x85"))
@example('"\\UFFFFFFFF"')
@example("%YAML 1." + "1" * 5000 + "\n--- a")
@example("%TAG ! tag:x,2000:\n--- !a b")
@example("? {a: b}\n: c")
@example("!<tag:yaml.org,2002:map> a")
@example("=: 1")
def test_any_text_is_a_policy_or_a_policy_error(text: str) -> None:
    read(text)


@given(st.lists(st.tuples(st.integers(0, len(SHIPPED_TEXT)), st.integers(0, 30), st.text(max_size=3)), max_size=4))
def test_a_shipped_policy_cut_anywhere_is_a_policy_or_a_policy_error(cuts: list[tuple[int, int, str]]) -> None:
    text = SHIPPED_TEXT
    for at, length, put in cuts:
        text = text[:at] + put + text[at + length :]
    read(text)


# --- profiles that are right ------------------------------------------------------------------------------------


def orders() -> st.SearchStrategy[list[str]]:
    more = st.lists(st.sampled_from(["stop_generation", "retract", "support"]), unique=True)
    return more.flatmap(lambda names: st.permutations([*names, "stop_transmission"]))


# Thresholds on two sides of 0.5, units below all deadlines, and gates that are closed: any merge of these is right.
right_rule = st.fixed_dictionaries(
    {},
    optional={
        "flag": st.none() | st.floats(0, 0.5),
        "stop": st.none() | st.floats(0.5, 1),
        "then": orders(),
        "on_failure": st.sampled_from(["closed", "open"]),
    },
)
right_profile = st.fixed_dictionaries(
    {},
    optional={
        "mode": st.sampled_from(["hold", "live", "monitor"]),
        "release_unit": st.sampled_from(["sentence", "delta"]),
        "unit_chars": st.integers(16, 2000),
        "unit_ms": st.integers(1, 5000),
        "deadline_ms": st.integers(5000, 600_000),
        "on_context_lost": st.sampled_from(["closed", "open"]),
        "gap": st.fixed_dictionaries({}, optional={"wait_ms": st.integers(1, 5000)}),
        "detectors": st.sampled_from([["lexicon"], ["classifier", "lexicon"]]),
        "strong_every": st.none() | st.integers(1, 1_000_000),
        "risks": st.dictionaries(st.sampled_from(RISK_KEYS), right_rule, max_size=5),
    },
)


class Dumper(yaml.SafeDumper):
    """Writes a list that stands in two places twice, as a person would."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def dump(content: object, **style: Any) -> str:
    text: str = yaml.dump(content, Dumper=Dumper, allow_unicode=True, **style)
    return text


# --- any document -----------------------------------------------------------------------------------------------

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates() | st.binary(max_size=3)
)
WORDS = "hold live monitor delta closed open lexicon classifier stop_transmission support default minor kids 0.5"
KEYS = "extends mode release_unit unit_chars unit_ms deadline_ms on_failure on_context_lost gap detectors strong_every"
words = st.sampled_from(WORDS.split())
anything = st.recursive(
    scalars | words, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(scalars | words, inner, max_size=3)
)
keys = st.sampled_from(KEYS.split())
rule = st.dictionaries(
    st.sampled_from(["flag", "stop", "then", "on_failure", "x"]), st.floats(0, 1) | anything, max_size=4
)
profile = st.builds(
    lambda top, risks: {**top, "risks": risks},
    st.dictionaries(keys, words | st.lists(words, max_size=3) | st.integers(1, 9000) | anything, max_size=5),
    st.dictionaries(st.sampled_from([*RISK_KEYS, "A.9"]) | scalars, rule | anything, max_size=4),
)
names = st.sampled_from(["default", "minor", "kids", "hold"])
nearly_right = st.builds(
    lambda right, parent, odd: {**right, "extends": parent, **odd},
    right_profile,
    names,
    st.dictionaries(keys, anything, max_size=1),
)
document = st.fixed_dictionaries(
    {
        "version": st.just(1),
        "profiles": st.dictionaries(names, nearly_right, max_size=3)
        | st.dictionaries(words | scalars, profile | anything, max_size=4),
    }
)


@given(document, st.booleans())
@settings(deadline=None)
def test_any_document_is_a_policy_or_a_policy_error(content: dict[str, Any], flow: bool) -> None:
    policy = read(dump(content, default_flow_style=flow))
    if policy is not None:
        assert "default" in policy.profiles
        for found in policy.profiles.values():
            assert set(found.risks) == {"*", *GROUPS, *RISKS}
            assert "lexicon" in found.detectors


# --- merging and versions ---------------------------------------------------------------------------------------

ALWAYS = {"risks": {"A.3.e": {"stop": 1.0}}}


def merge(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """What `over` says in front of what `under` says; written anew, for comparison."""
    both = dict(under)
    for key, value in over.items():
        both[key] = merge(both.get(key, {}), value) if isinstance(value, dict) else value
    return both


def parse(**profiles: dict[str, Any]) -> Policy:
    return Policy.parse(dump({"version": 1, "profiles": profiles}))


def of(policy: Policy, name: str) -> dict[str, Any]:
    """What a profile says, but for its name."""
    return next(iter(to_document(policy.profile(name))["profiles"].values()))


@given(right_profile, right_profile, right_profile)
@settings(deadline=None)
def test_extends_is_merging_and_associative(a: dict[str, Any], b: dict[str, Any], c: dict[str, Any]) -> None:
    a = merge(a, ALWAYS)
    chain = parse(a=a, b={**b, "extends": "a"}, c={**c, "extends": "b"})
    left = parse(ab=merge(a, b), c={**c, "extends": "ab"})
    right = parse(a=a, c={**merge(b, c), "extends": "a"})
    whole = parse(c=merge(merge(a, b), c))
    assert of(chain, "c") == of(left, "c") == of(right, "c") == of(whole, "c")


@given(right_profile)
@settings(deadline=None)
def test_a_shown_profile_reads_back_as_itself(written: dict[str, Any]) -> None:
    policy = parse(p=merge(written, ALWAYS))
    text = dump(to_document(policy.profile("p")))
    assert Policy.parse(text).profile("p") == policy.profile("p")
    assert Policy.parse(text).version == policy.version


def shuffled(value: Any, order: random.Random) -> Any:
    if not isinstance(value, dict):
        return value
    items = [(key, shuffled(inner, order)) for key, inner in value.items()]
    order.shuffle(items)
    return dict(items)


@given(right_profile, right_profile, st.randoms(use_true_random=False), st.booleans())
@settings(deadline=None)
def test_the_version_does_not_depend_on_order_or_style(
    a: dict[str, Any], b: dict[str, Any], order: random.Random, flow: bool
) -> None:
    content = {"version": 1, "profiles": {"a": merge(a, ALWAYS), "b": {**b, "extends": "minor"}}}
    plain = dump(content, sort_keys=True)
    other = dump(shuffled(content, order), sort_keys=False, default_flow_style=flow, indent=6)
    assert Policy.parse(plain).version == Policy.parse(f"# a comment\n{other}", "other.yaml").version


@given(right_profile, st.sampled_from(list(RISKS)), st.floats(0.5, 1))
@settings(deadline=None)
def test_the_version_follows_what_holds(written: dict[str, Any], id: str, stop: float) -> None:
    before = parse(p=merge(written, ALWAYS))
    after = parse(p=merge(merge(written, ALWAYS), {"risks": {id: {"stop": stop}}}))
    assert (before.version == after.version) is (before.profiles == after.profiles)
