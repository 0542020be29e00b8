"""The project's own texts: whole, varied, and split so that no family stands on both sides."""

from __future__ import annotations

import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from data import Example, own_texts
from heads import HEADS

TEXTS = Path(__file__).parents[2] / "models" / "texts"


@pytest.fixture(scope="module")
def parts() -> dict[str, list[Example]]:
    return {part: own_texts(TEXTS, part) for part in ("train", "calibrate", "test")}  # type: ignore[arg-type]


def test_no_family_is_in_two_parts(parts: dict[str, list[Example]]) -> None:
    groups = [{example.group for example in part} for part in parts.values()]
    assert not (groups[0] & groups[1] or groups[0] & groups[2] or groups[1] & groups[2])


def test_about_a_tenth_is_kept_apart(parts: dict[str, list[Example]]) -> None:
    total = sum(map(len, parts.values()))
    assert total > 20_000
    assert 0.08 < len(parts["test"]) / total < 0.12


@pytest.mark.parametrize("head", HEADS)
def test_every_head_has_harm_and_near_misses(parts: dict[str, list[Example]], head: str) -> None:
    mine = [example for part in parts.values() for example in part if example.written_for == head]
    kinds = Counter(example.kind for example in mine)
    assert min(kinds["harm"], kinds["contrast"]) >= 400, kinds


def test_nothing_stands_twice(parts: dict[str, list[Example]]) -> None:
    seen = Counter((example.context, example.text, example.kind) for part in parts.values() for example in part)
    assert [text for text, count in seen.items() if count > 1] == []


def test_texts_are_one_line_of_bounded_length(parts: dict[str, list[Example]]) -> None:
    for example in (example for part in parts.values() for example in part):
        assert 2 <= len(example.text) <= 500, example.text
        assert not any(unicodedata.category(char) == "Cc" for char in example.text), example.text


def test_harm_leaves_open_what_may_hold_beside_it(parts: dict[str, list[Example]]) -> None:
    (example, *_) = (e for e in parts["train"] if e.written_for == "drugs" and e.kind == "harm")
    assert example.labels["drugs"] == 1
    assert "spam" not in example.labels and example.labels["gender"] == 0
