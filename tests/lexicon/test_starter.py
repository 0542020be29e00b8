"""The shipped lexicon: every term hits its sentence, and ordinary text with the same characters does not."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from sluice import shipped
from sluice.contract.decision import Finding
from sluice.lexicon import Lexicon, LexiconScan, Term
from sluice.policy import Policy
from sluice.text.fold import fold_text

SENTENCES = sorted((shipped.lexicon_directory() / "sentences").glob("*.tsv"))


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return Lexicon.load(shipped.lexicon_directory())


def found(lexicon: Lexicon, text: str, term: Term) -> bool:
    """Whether the term is reported, or a longer one of its risk that covers it."""
    findings = LexiconScan(lexicon, str).feed(text, final=True).findings
    if any(finding.rule == term.rule for finding in findings):
        return True
    at = fold_text(text).find(term.folded)
    covering = (f for f in findings if f.risk == term.risk and f.score >= term.score)
    return at >= 0 and any(f.start <= at and f.end >= at + len(term.folded) for f in covering)


def test_it_is_broad_enough(lexicon: Lexicon) -> None:
    by_risk = Counter(term.risk for term in lexicon.terms)
    assert sum(by_risk.values()) >= 2_500
    assert len(by_risk) >= 16


@pytest.mark.parametrize("file", SENTENCES, ids=lambda f: f.stem)
def test_sentences(lexicon: Lexicon, file: Path) -> None:
    terms = {t.folded: t for t in lexicon.terms if t.category == file.stem}
    wrong: list[tuple[str, str, str]] = []
    tested: dict[str, set[str]] = {"hit": set(), "miss": set()}
    with file.open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows, delimiter="\t", quoting=csv.QUOTE_NONE):
            term = terms[fold_text(row["term"])]
            if found(lexicon, row["text"], term) != (row["kind"] == "hit"):
                wrong.append((row["term"], row["kind"], row["text"]))
            else:
                tested[row["kind"]].add(term.folded)
    assert wrong == []
    assert terms.keys() - tested["hit"] == set()
    # Those that could be harmless have a text in which they must not be found.
    assert {t.folded for t in terms.values() if t.severity == 1 or t.allow} - tested["miss"] == set()


@pytest.mark.parametrize(
    "text",
    [
        "肉棒 螃蟹 火锅",
        "老板，炸肉棒两份",
        "今晚大家一起吃鸡吧",
        "吃鸡巴不得赢一局",
        "周末去冰场一起溜冰嗨起来",
        "网吧包夜服务",
    ],
)
def test_ordinary_lines_pass_by_default(lexicon: Lexicon, text: str) -> None:
    profile = Policy.shipped().profile("default")
    findings = LexiconScan(lexicon, str).feed(text, final=True).findings
    assert [profile.judge(finding) for finding in findings if profile.judge(finding) != "pass"] == []


@pytest.mark.parametrize("text", ["她含住肉棒", "粗大的肉棒", "肉棒抽插", "舔他的吃鸡巴"])
def test_what_they_are_near_is_stopped(lexicon: Lexicon, text: str) -> None:
    profile = Policy.shipped().profile("default")
    assert "stop" in [profile.judge(f) for f in LexiconScan(lexicon, str).feed(text, final=True).findings]


def test_severities_lead_to_what_the_lexicons_page_says() -> None:
    page = (shipped.lexicon_directory() / "LEXICON.md").read_text(encoding="utf-8")
    assert "which there passes (below its `flag` of 0.7) but for self-harm (A.4.a), where it is flagged" in page
    profiles = {name: Policy.shipped().profile(name) for name in ("default", "minor")}
    said = {
        (name, term.severity, term.risk == "A.4.a"): profile.judge(Finding(term.risk, "lexicon", "", term.score, 0, 1))
        for term in Lexicon.load(shipped.lexicon_directory()).terms
        for name, profile in profiles.items()
    }
    assert {said["default", 1, False], said["default", 1, True]} == {"pass", "flag"}
    assert said["default", 1, True] == "flag"
    assert {said["minor", 1, one] for one in (False, True)} == {"flag"}
    assert {what for (_, severity, _), what in said.items() if severity > 1} == {"stop"}


def test_every_category_has_sentences(lexicon: Lexicon) -> None:
    assert {t.category for t in lexicon.terms} == {file.stem for file in SENTENCES}
