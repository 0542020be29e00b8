"""The 31 risks as data: complete, named in both languages, mapped only to categories that there are."""

from __future__ import annotations

import re

import pytest

from sluice.errors import InputError
from sluice.risks import GROUPS, RISKS, risk, suggest

LLAMA_GUARD = {f"S{number}" for number in range(1, 15)}
DSA = {
    "ANIMAL_WELFARE",
    "CONSUMER_INFORMATION",
    "CYBER_VIOLENCE",
    "CYBER_VIOLENCE_AGAINST_WOMEN",
    "DATA_PROTECTION_AND_PRIVACY_VIOLATIONS",
    "ILLEGAL_OR_HARMFUL_SPEECH",
    "INTELLECTUAL_PROPERTY_INFRINGEMENTS",
    "NEGATIVE_EFFECTS_ON_CIVIC_DISCOURSE_OR_ELECTIONS",
    "NOT_SPECIFIED_NOTICE",
    "OTHER_VIOLATION_TC",
    "PROTECTION_OF_MINORS",
    "RISK_FOR_PUBLIC_SECURITY",
    "SCAMS_AND_FRAUD",
    "SELF_HARM",
    "UNSAFE_AND_PROHIBITED_PRODUCTS",
    "VIOLENCE",
}


def test_the_ids_are_those_of_the_standard_in_its_order() -> None:
    sizes = {"A.1": 8, "A.2": 9, "A.3": 5, "A.4": 7, "A.5": 2}
    assert list(RISKS) == [f"{group}.{chr(ord('a') + n)}" for group, size in sizes.items() for n in range(size)]
    assert list(GROUPS) == list(sizes)
    assert all(item.id == id and item.group in GROUPS for id, item in RISKS.items())


def test_every_risk_and_group_has_a_name_of_its_own_in_both_languages() -> None:
    names = [(item.zh, item.en) for item in RISKS.values()] + [(group.zh, group.en) for group in GROUPS.values()]
    assert all(re.fullmatch("[\u4e00-\u9fff，、]+", zh) and en.isascii() for zh, en in names)
    assert len({zh for zh, _ in names}) == len({en for _, en in names}) == len(names)


def test_discrimination_names_the_protected_attribute() -> None:
    attributes = [item.attribute for item in RISKS.values() if item.group == "A.2"]
    wanted = "ethnicity belief nationality region gender age occupation health other"
    assert attributes == wanted.split()
    assert all(item.attribute is None for item in RISKS.values() if item.group != "A.2")


def test_only_accuracy_and_helpfulness_cannot_be_decided() -> None:
    assert [id for id, item in RISKS.items() if not item.decidable] == ["A.5.a", "A.5.b"]


def test_other_vocabularies_are_named_by_categories_that_they_have() -> None:
    for item in RISKS.values():
        assert set(item.maps) == {"llama_guard", "dsa"}
        assert LLAMA_GUARD.issuperset(item.maps["llama_guard"])
        assert DSA.issuperset(item.maps["dsa"])
    assert {category for item in RISKS.values() for category in item.maps["llama_guard"]} == LLAMA_GUARD
    assert risk("A.4.a").maps["llama_guard"] == ("S6", "S11")


def test_risks_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        RISKS["A.9.z"] = RISKS["A.1.a"]  # type: ignore[index]
    with pytest.raises(AttributeError):
        RISKS["A.1.a"].zh = ""  # type: ignore[misc]


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("a.2.E", "unknown risk id 'a.2.E', did you mean A.2.e?"),
        ("A-2-e", "unknown risk id 'A-2-e', did you mean A.2.e?"),
        (" A.2.e ", "unknown risk id ' A.2.e ', did you mean A.2.e?"),
        ("A.2.z", "unknown risk id 'A.2.z'; A.2 has A.2.a to A.2.i"),
        ("A.2e", "unknown risk id 'A.2e'; A.2 has A.2.a to A.2.i"),
        ("violence", "unknown risk id 'violence'; the ids are A.1.a to A.5.b"),
        ("", "unknown risk id ''; the ids are A.1.a to A.5.b"),
        ("a\nb", "unknown risk id 'a\\nb'; the ids are A.1.a to A.5.b"),
    ],
)
def test_an_unknown_id_is_an_error_that_suggests(written: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        risk(written)
    assert str(caught.value) == says


def test_a_group_is_no_risk() -> None:
    with pytest.raises(InputError, match=r"unknown risk id 'A\.2'"):
        risk("A.2")


def test_close_ids_are_suggested_for_a_slip() -> None:
    assert "A.4.a" in suggest("A.4.aa") or "A.4.a to A.4.g" in suggest("A.4.aa")
    assert "did you mean" in suggest("A.6.a")
