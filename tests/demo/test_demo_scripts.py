"""The texts of the demo: well-formed, and decided exactly as they say."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sluice.demo.scripts import Script, load_scripts, parse_scripts
from sluice.errors import InputError
from sluice.moderation.detectors import without_classifier
from sluice.moderation.moderator import Moderator
from sluice.policy import Policy
from sluice.risks import RISKS

SCRIPTS = load_scripts()
VIOLATING = [script for script in SCRIPTS if script.expect is not None]
ONE = "- {id: a, lang: zh, answer: ['好⟦坏坏⟧好']"


@pytest.fixture(scope="module")
def moderators() -> Callable[[str, bool], Moderator]:
    """By profile, and whether the lexicon has to do without the classifier."""
    made: dict[tuple[str, bool], Moderator] = {}

    def get(profile: str, lexicon_only: bool = False) -> Moderator:
        key = profile, lexicon_only
        if key not in made:
            policy = Policy.shipped()
            made[key] = Moderator(profile, policy=without_classifier(policy) if lexicon_only else policy)
        return made[key]

    return get


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.id)
def test_every_script_is_decided_as_it_says(script: Script, moderators: Callable[..., Moderator]) -> None:
    for channel, text in script.channels:
        found = moderators(script.profile).check(text)
        violates = script.violation is not None and script.violation.channel == channel
        assert found.action == ("stop" if violates else "release"), (channel, found.findings)


@pytest.mark.parametrize("script", VIOLATING, ids=lambda script: script.id)
def test_the_first_finding_is_the_expected_one_and_where_the_script_says(
    script: Script, moderators: Callable[..., Moderator]
) -> None:
    assert script.expect is not None and script.violation is not None
    text = dict(script.channels)[script.violation.channel]
    by_lexicon = [f for f in moderators(script.profile, True).check(text).findings if f.score >= 0.9]
    if script.expect.source == "lexicon":
        # It is certain before the sentence ends, so it comes before whatever the classifier says of the same one.
        (finding,) = by_lexicon
        before = text[: script.violation.start]
        assert moderators(script.profile).check(before).action == "release"
    else:
        assert by_lexicon == []
        judged = [f for f in moderators(script.profile).check(text).findings if f.score >= 0.9]
        first = [f for f in judged if f.start == judged[0].start]
        finding = max(first, key=lambda f: f.score)
    expect = script.expect
    assert (finding.risk, finding.source, finding.attribute) == (expect.risk, expect.source, expect.attribute)
    assert finding.start == script.violation.start
    # The classifier's sentence holds the space behind it.
    assert text[: finding.end].rstrip() == text[: script.violation.end]


def test_the_term_with_marks_between_its_letters_is_found_as_that(moderators: Callable[..., Moderator]) -> None:
    (script,) = [script for script in SCRIPTS if script.id == "fraud-zh"]
    (finding,) = moderators("default", True).check(dict(script.channels)["answer"]).findings
    assert finding.matched == "noise"
    span = dict(script.channels)["answer"][finding.start : finding.end]
    assert "\u200b" in span and "*" in span


def test_what_the_issue_asks_for_is_there() -> None:
    expected = [script.expect for script in VIOLATING if script.expect is not None]
    assert len(SCRIPTS) - len(VIOLATING) >= 20
    assert len(VIOLATING) >= 9
    assert len({expect.risk for expect in expected}) >= 6
    assert len({expect.attribute for expect in expected} - {""}) >= 2
    assert any(expect.source == "classifier" for expect in expected)
    assert any(expect.support and expect.risk == "A.4.a" for expect in expected)
    assert any(script.cut_inside for script in VIOLATING)
    assert any(script.profile == "minor" for script in VIOLATING)
    assert any(script.violation.channel == "reasoning" for script in VIOLATING if script.violation is not None)
    assert {script.lang for script in SCRIPTS} == {"zh", "en"}
    assert {expect.risk for expect in expected} <= set(RISKS)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.id)
def test_a_text_has_a_size_that_can_be_watched(script: Script) -> None:
    assert 120 <= script.length <= 500
    assert len(script.id) <= 11
    assert not any(mark in text for _, text in script.channels for mark in "⟦⟧")
    if script.violation is not None:
        # Some of it is shown before the stop, and there is more to come that the stop prevents.
        assert script.violation.start >= 40
        assert script.length - script.violation.end >= 40


@pytest.mark.parametrize(
    "text",
    [
        "- {id: a",
        "a: 1",
        ONE + "}",
        ONE + ", expect: {risk: A.9.x, source: lexicon}}",
        ONE + ", expect: {risk: A.1.h, source: nobody}}",
        ONE + ", expect: {risk: A.1.h, source: lexicon}, more: 1}",
        "- {id: a, lang: zh, answer: ['好'], expect: {risk: A.1.h, source: lexicon}}",
        "- {id: a, lang: zh, answer: ['⟦坏⟧⟦坏⟧'], expect: {risk: A.1.h, source: lexicon}}",
        "- {id: a, lang: xx, answer: ['好']}",
        "- {id: a, lang: zh, answer: ['好']}\n- {id: a, lang: zh, answer: ['好']}",
    ],
)
def test_a_wrong_script_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_scripts(text, "some.yaml")


def test_the_marks_are_taken_out() -> None:
    (script,) = parse_scripts(ONE + ", expect: {risk: A.1.h, source: lexicon}}", "some.yaml")
    assert script.channels == (("answer", "好坏坏好"),)
    assert script.violation is not None
    assert (script.violation.start, script.violation.end) == (1, 3)
