"""Lexicon files: every mistake is named with its file and line, and hides no other."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from sluice.errors import LexiconError
from sluice.lexicon import Lexicon
from sluice.lexicon.files import read_file

HEADER = "term\trisk\tseverity\tword\tallow\tnote\tadded\treviewer\texpires\n"


def test_a_good_file(tmp_path: Path) -> None:
    file = tmp_path / "drugs.tsv"
    file.write_text(
        "\ufeff" + HEADER + "# a comment\n大麻\tA.1.h\t2\t0\t大麻烦|大麻花\tcannabis\t2026-11-24\tme\t2027-01-01\r\n\n"
        "女司机都\tA.2.e\t3\n",
        encoding="utf-8",
    )
    first, second = read_file(file)
    assert (first.text, first.category, first.allow, first.score) == ("大麻", "drugs", ("大麻烦", "大麻花"), 0.9)
    assert first.expires == date(2027, 1, 1)
    assert second.attribute == "gender" and second.rule.startswith("drugs-")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("\tA.1.h\t2", "empty after folding"),
        ("**\tA.1.h\t2", "empty after folding"),
        ("毒\tA.1.h\t2", "at least two characters"),
        ("x" * 65 + "\tA.1.h\t2", "65 characters, the limit is 64"),
        ("大麻\tA.1.z\t2", "A.1.z"),
        ("大麻\tA.1.h\t4", "severity '4'"),
        ("大麻\tA.1.h\t2\tyes", "word 'yes'"),
        ("大麻\tA.1.h\t2\t0\t花", "allowed context '花'"),
        ("大麻\tA.1.h\t2\t0\t\t\tyesterday", "'yesterday' is not a date"),
        ("大麻\tA.1.h\t2\t0\t\t\t\t\t\tmore", "10 cells, the header has 9"),
        ("大*麻\tA.1.h\t2", "the same term as line 3"),
    ],
)
def test_a_bad_line_is_named_and_hides_no_other(tmp_path: Path, line: str, problem: str) -> None:
    (tmp_path / "a.tsv").write_text(
        HEADER + "冰毒\tA.1.h\t2\n大麻\tA.1.d\t2\n".replace("A.1.d", "A.1.h") + line + "\n坏\tA.1.h\t1\n"
    )
    with pytest.raises(LexiconError) as caught:
        Lexicon.load(tmp_path)
    problems = str(caught.value).splitlines()
    assert len(problems) == 2
    assert problems[0].startswith(f"{tmp_path / 'a.tsv'}:4: ") and problem in problems[0]
    assert problems[1].startswith(f"{tmp_path / 'a.tsv'}:5: ")


def test_header_encoding_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(LexiconError, match="no lexicon file"):
        Lexicon.load(tmp_path)
    (tmp_path / "a.tsv").write_bytes(b"term\trisk\n")
    (tmp_path / "b.tsv").write_bytes("大麻".encode("gb18030"))
    (tmp_path / "c.tsv").write_text("term\trisk\tseverity\tcolour\n")
    (tmp_path / "d.tsv").write_text("\n \n")
    with pytest.raises(LexiconError) as caught:
        Lexicon.load(tmp_path)
    assert "column 'severity' is missing" in str(caught.value)
    assert "b.tsv:1: not UTF-8 at byte 0" in str(caught.value)
    assert "unknown column 'colour'" in str(caught.value)
    assert "d.tsv: the file is empty; its first line names the columns" in str(caught.value)


def test_many_mistakes_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(HEADER + "毒\tA.1.h\t2\n" * 200)
    with pytest.raises(LexiconError, match=r"and 150 more"):
        Lexicon.load(tmp_path)


def test_expired_terms_are_not_used(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(HEADER + "大麻\tA.1.h\t2\t0\t\t\t\t\t2026-11-24\n冰毒\tA.1.h\t2\n")
    assert [t.text for t in Lexicon.load(tmp_path, today=date(2026, 11, 24)).terms] == ["冰毒"]
    assert len(Lexicon.load(tmp_path, today=date(2026, 11, 23)).terms) == 2


def test_the_version_is_that_of_the_content(tmp_path: Path) -> None:
    file = tmp_path / "a.tsv"
    file.write_text(HEADER + "大麻\tA.1.h\t2\n冰毒\tA.1.h\t2\n")
    first = Lexicon.load(tmp_path).version
    file.write_text(HEADER + "冰毒\tA.1.h\t2\t0\t\ta note\n大麻\tA.1.h\t2\n")
    assert Lexicon.load(tmp_path).version == first
    file.write_text(HEADER + "冰毒\tA.1.h\t3\n大麻\tA.1.h\t2\n")
    assert Lexicon.load(tmp_path).version != first
