"""Which label counts for which risk: what is said by options and files, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import InputError
from sluice.export.labels import LabelMap, map_labels, parse_options, read_map
from sluice.risks import RISKS

DECIDABLE = sorted(name for name, risk in RISKS.items() if risk.decidable)


def test_labels_become_heads_in_the_order_of_the_logits() -> None:
    given = parse_options(["Very toxic=A.4.c", "hate=A.2.a:ethnic:ethnicity"], ["clean"])
    heads, outputs = map_labels(["clean", "hate", "Very toxic"], given)
    assert outputs == (None, "ethnic", "very_toxic")
    assert [(head.name, head.risk, head.attribute) for head in heads] == [
        ("ethnic", "A.2.a", "ethnicity"),
        ("very_toxic", "A.4.c", ""),
    ]
    assert "Very toxic" in heads[1].description


def test_labels_may_share_a_head() -> None:
    given = parse_options(["insult=A.4.c:abuse", "threat=A.1.f", "obscene=A.4.c:abuse"], [])
    heads, outputs = map_labels(["insult", "threat", "obscene"], given)
    assert outputs == ("abuse", "threat", "abuse")
    assert [head.name for head in heads] == ["abuse", "threat"]
    assert "insult, obscene" in heads[0].description


def test_the_attribute_is_that_of_the_risk() -> None:
    heads, _ = map_labels(["sexist"], parse_options(["sexist=A.2.e"], []))
    assert heads[0].attribute == "gender"


def test_an_equals_sign_in_a_label() -> None:
    assert set(parse_options(["a=b=A.4.c"], []).targets) == {"a=b"}


@pytest.mark.parametrize(
    ("maps", "ignored", "words"),
    [
        (["toxic"], [], "must be LABEL=RISK"),
        (["=A.4.c"], [], "must be LABEL=RISK"),
        (["toxic=S1"], [], "unknown risk id 'S1'"),
        (["toxic=A.4.c:abuse:gender:x"], [], "RISK[:head[:attribute]]"),
        (["toxic=A.4.c:Bad Head"], [], "'Bad Head'"),
        (["toxic=A.2.e:sex:colour"], [], "unknown attribute 'colour'"),
        (["toxic=A.2.e:sex:age"], [], "A.2.e is about gender"),
        (["toxic=A.4.c:abuse:gender"], [], "no protected attribute"),
        (["toxic=A.5.a"], [], "can be decided by no filter"),
        (["toxic=A.4.c", "toxic=A.1.f"], [], "given twice"),
        (["toxic=A.4.c"], ["toxic"], "given twice"),
    ],
)
def test_options_that_say_nothing_good(maps: list[str], ignored: list[str], words: str) -> None:
    with pytest.raises(InputError) as raised:
        parse_options(maps, ignored)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("maps", "ignored", "words"),
    [
        (["toxic=A.4.c"], [], "neither mapped nor ignored: clean, 有毒"),
        (["toxic=A.4.c", "toxin=A.4.c"], ["clean", "有毒"], "no label 'toxin', did you mean 'toxic'?"),
        (["toxic=A.4.c", "有毒=A.4.c"], ["clean"], "no head can be named after"),
        (["toxic=A.4.c", "clean=A.4.c"], ["有毒"], "no head can be named after the label 'clean'"),
        ([], ["toxic", "clean", "有毒"], "would find nothing"),
        (["toxic=A.4.c:bad", "clean=A.1.f:bad"], ["有毒"], "head bad: the labels toxic, clean share it"),
    ],
)
def test_maps_that_do_not_fit_the_checkpoint(maps: list[str], ignored: list[str], words: str) -> None:
    with pytest.raises(InputError) as raised:
        map_labels(["toxic", "clean", "有毒"], parse_options(maps, ignored))
    assert words in str(raised.value)


GOOD = """
version: 1
labels:
  toxic: A.4.c:abuse
  有毒: {risk: A.1.f, head: violence, description: Threats}
ignore: [clean]
"""


def test_a_file_says_the_same_and_more() -> None:
    heads, outputs = map_labels(["clean", "toxic", "有毒"], read_map(GOOD, "map.yaml"))
    assert outputs == (None, "abuse", "violence")
    assert heads[1].description == "Threats"


def test_a_file_and_options_together() -> None:
    joined = read_map(GOOD, "map.yaml").joined(parse_options(["more=A.1.h"], ["other"]))
    assert set(joined.targets) == {"toxic", "有毒", "more"} and joined.ignored == {"clean", "other"}
    with pytest.raises(InputError, match="given twice: clean"):
        joined.joined(LabelMap({}, frozenset({"clean"})))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "map.yaml:1: the file is empty"),
        ("labels: {toxic: A.4.c}", "version: missing"),
        ("version: 2\nlabels: {}", "map.yaml:1: version: must be 1"),
        ("version: 1\nlabel: {}", "unknown key, did you mean 'labels'?"),
        ("version: 1\nlabels: [a]", "labels: must be a mapping"),
        ("version: 1\nlabels:\n  toxic: A.9.z", "map.yaml:3: labels.toxic: unknown risk id"),
        ("version: 1\nlabels:\n  toxic: {head: a}", "labels.toxic: risk is missing"),
        ("version: 1\nlabels:\n  toxic: {risk: A.4.c, colour: red}", "labels.toxic.colour: unknown key"),
        ("version: 1\nlabels:\n  toxic: {risk: A.4.c, head: 3}", "labels.toxic.head: must be text, not 3"),
        ("version: 1\nlabels: {1: A.4.c}", "must be text, not 1; put it in quotes"),
        ("version: 1\nignore: clean", "ignore: must be a list of labels"),
        ("version: 1\nignore: [0]", "a label must be text, not 0; put it in quotes"),
        ("version: 1\nlabels: {a: A.4.c}\nignore: [a]", "'a' is in labels too"),
        ("version: 1\nlabels: &x {a: A.4.c}", "anchors and aliases are not read"),
    ],
)
def test_a_file_that_is_wrong_is_named_with_line_and_key(text: str, words: str) -> None:
    with pytest.raises(InputError) as raised:
        read_map(text, "map.yaml")
    assert "map.yaml" in str(raised.value) and words in str(raised.value)


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1), unique=True, min_size=1),
    st.data(),
)
def test_every_label_is_an_output_and_every_head_has_one(labels: list[str], data: st.DataObject) -> None:
    """Whatever labels are called, as long as each has a head named for it or is ignored."""
    chosen = {label: data.draw(st.sampled_from([*DECIDABLE, None])) for label in labels}
    maps = [f"{label}={risk}:h{at}" for at, (label, risk) in enumerate(chosen.items()) if risk is not None]
    given = parse_options(maps, [label for label, risk in chosen.items() if risk is None])
    if not maps:
        with pytest.raises(InputError, match="would find nothing"):
            map_labels(labels, given)
        return
    heads, outputs = map_labels(labels, given)
    assert len(outputs) == len(labels)
    assert {name for name in outputs if name is not None} == {head.name for head in heads}
    by_name = {head.name: head.risk for head in heads}
    assert [None if name is None else by_name[name] for name in outputs] == list(chosen.values())
