"""The audit: counts by risk, totals and age against a profile, and profiles of the user's own."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import pytest

from sluice.errors import LexiconError
from sluice.lexicon import Term
from sluice.lexicon.audit import AuditProfile, audit, load_profile, parse_profile, shipped_profiles
from sluice.lexicon.files import Content
from sluice.lexicon.settings import LexiconSettings
from sluice.risks import RISKS

TODAY = date(2026, 11, 24)


def content(terms: Iterable[Term]) -> Content:
    return Content(LexiconSettings(), tuple(terms))


def term(text: str, risk: str = "A.1.a", *, added: date | None = None, expires: date | None = None) -> Term:
    return Term(text, risk, 2, "t", added=added, expires=expires)


def full(counts: dict[str, int], added: date = TODAY) -> Content:
    return content(term(f"{risk}{i:05}", risk, added=added) for risk, n in counts.items() for i in range(n))


NEEDED = {risk: 200 if risk.startswith("A.1") else 100 for risk in RISKS if risk[:3] in ("A.1", "A.2")}


def test_the_shipped_profile_asks_for_the_17_risks() -> None:
    profile = load_profile("gbt45654")
    assert shipped_profiles() == ["gbt45654"]
    assert (profile.total, profile.max_age_days) == (10_000, 7)
    assert {risk: profile.needed(risk) for risk in RISKS if profile.needed(risk)} == NEEDED
    assert (len(NEEDED), sum(NEEDED.values())) == (17, 2_500)


def test_a_library_that_has_all_of_it() -> None:
    report = audit(full({**NEEDED, "A.3.e": 7_500}), load_profile("gbt45654"), TODAY)
    assert report.met and report.total == 10_000 and report.age_days == 0
    assert [row.risk for row in report.rows] == [*NEEDED, "A.3.e"]


@pytest.mark.parametrize(
    ("counts", "age", "wrong"),
    [
        ({**NEEDED, "A.3.e": 7_499}, 0, "total"),
        ({**NEEDED, "A.1.g": 199, "A.3.e": 7_501}, 0, "A.1.g"),
        ({**NEEDED, "A.2.i": 99, "A.3.e": 7_501}, 7, "A.2.i"),
        ({**NEEDED, "A.3.e": 7_500}, 8, "age"),
    ],
)
def test_what_is_short_is_named(counts: dict[str, int], age: int, wrong: str) -> None:
    added = date.fromordinal(TODAY.toordinal() - age)
    report = audit(full(counts, added), load_profile("gbt45654"), TODAY)
    short = [row.risk for row in report.rows if not row.ok]
    short += [name for name, ok in (("total", report.total_ok), ("age", report.age_ok)) if not ok]
    assert not report.met and short == [wrong]


def test_expired_terms_do_not_count_and_folded_ones_count_once() -> None:
    given = content(
        [
            term("冰毒", "A.1.h"),
            term("冰*毒", "A.1.h"),
            term("冰毒", "A.1.f"),
            term("大麻", "A.1.h", expires=TODAY),
            term("可卡因", "A.1.h", expires=date(2026, 11, 25)),
        ]
    )
    report = audit(given, AuditProfile("own"), TODAY)
    assert report.total == 2
    assert {row.risk: row.count for row in report.rows} == {"A.1.f": 1, "A.1.h": 2}


def test_a_date_to_come_is_no_update() -> None:
    profile = AuditProfile("own", max_age_days=7)
    report = audit(content([term("冰毒", added=date(2030, 1, 1))]), profile, TODAY)
    assert (report.newest, report.age_days, report.met) == (None, None, False)
    report = audit(content([term("冰毒", added=date(2030, 1, 1)), term("大麻", added=TODAY)]), profile, TODAY)
    assert report.age_days == 0 and report.met


def test_an_empty_lexicon_and_a_profile_that_asks_for_nothing() -> None:
    assert audit(content([]), AuditProfile("nothing"), TODAY).met
    report = audit(content([]), load_profile("gbt45654"), TODAY)
    assert not report.met and len(report.rows) == 17


def test_the_most_specific_number_holds() -> None:
    profile = parse_profile('version: 1\nrisks: {"*": 1, A.1: 20, A.1.f: 0}\n', "own")
    assert [profile.needed(risk) for risk in ("A.1.a", "A.1.f", "A.3.e")] == [20, 0, 1]


def test_a_profile_of_the_users_own(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("\ufeffversion: 1\ntitle: 自己的\ntotal: 2\n", encoding="utf-8")
    profile = load_profile(str(file))
    assert (profile.name, profile.title, profile.total, profile.max_age_days) == (str(file), "自己的", 2, None)


def test_a_wrong_profile_names_every_mistake() -> None:
    text = "version: 2\ntotal: many\nmax_age_days: -1\ntitle: [x]\nrisks:\n  A.9: 5\n  A.1: 1.5\n  A.2: true\ntotl: 5\n"
    with pytest.raises(LexiconError) as caught:
        parse_profile(text, "own.yaml")
    assert [line.partition(": ")[0] for line in str(caught.value).splitlines()] == [
        f"own.yaml:{n}" for n in (1, 2, 3, 4, 6, 7, 8, 9)
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gbt4565", "did you mean 'gbt45654'?"),
        ("none.yaml", "cannot be read: No such file"),
        ("../none/x", "cannot be read: No such file"),
        ("a\0/b", "cannot be read"),
    ],
)
def test_a_profile_that_is_not_there(name: str, said: str) -> None:
    with pytest.raises(LexiconError, match=said.replace("?", r"\?")):
        load_profile(name)


def test_files_that_are_no_profiles(tmp_path: Path) -> None:
    for data in (b"\xff\xfe", b"", b"- 1", b"{", b"!!python/object:os.system {}", b"version: 1\n" + b"#" * (1 << 20)):
        file = tmp_path / "p.yaml"
        file.write_bytes(data)
        with pytest.raises(LexiconError, match=r"p\.yaml"):
            load_profile(str(file))
