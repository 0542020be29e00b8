"""The shipped lexicon: every term hits its sentence, and ordinary text with the same characters does not."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from sluice import shipped
from sluice.lexicon import Lexicon, LexiconScan
from sluice.text.fold import fold_text

SENTENCES = sorted((shipped.lexicon_directory() / "sentences").glob("*.tsv"))


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return Lexicon.load(shipped.lexicon_directory())


def rules_found(lexicon: Lexicon, text: str) -> set[str]:
    return {finding.rule for finding in LexiconScan(lexicon, str).feed(text, final=True).findings}


def test_it_is_broad_enough(lexicon: Lexicon) -> None:
    by_risk = Counter(term.risk for term in lexicon.terms)
    assert sum(by_risk.values()) >= 300
    assert len(by_risk) >= 10


@pytest.mark.parametrize("file", SENTENCES, ids=lambda f: f.stem)
def test_sentences(lexicon: Lexicon, file: Path) -> None:
    rules = {(t.category, t.folded): t.rule for t in lexicon.terms}
    wrong, tested = [], set()
    with file.open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows, delimiter="\t", quoting=csv.QUOTE_NONE):
            rule = rules[(file.stem, fold_text(row["term"]))]
            if (rule in rules_found(lexicon, row["text"])) != (row["kind"] == "hit"):
                wrong.append((row["term"], row["kind"], row["text"]))
            elif row["kind"] == "hit":
                tested.add(rule)
    assert wrong == []
    assert {r for (category, _), r in rules.items() if category == file.stem} - tested == set()


def test_every_category_has_sentences(lexicon: Lexicon) -> None:
    assert {t.category for t in lexicon.terms} == {file.stem for file in SENTENCES}
