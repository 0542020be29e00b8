"""What is allowed in a lexicon and probably not meant: each kind is told at its place, and good terms are not."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from sluice import shipped
from sluice.lexicon.bundle import encode_bundle, survey_lexicon
from sluice.lexicon.conflicts import find_conflicts
from sluice.lexicon.everyday import english_word_around, is_everyday

TODAY = date(2026, 11, 24)
HEADER = "term\trisk\tseverity\tword\tallow\tadded\texpires\n"


def told(directory: Path, *lines: str) -> list[str]:
    """What is said of a lexicon of these lines, beginning with file and line."""
    (directory / "a.tsv").write_text(HEADER + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    reading = survey_lexicon(directory)
    assert reading.problems == ()
    problems = find_conflicts(reading, TODAY)
    return [f"{Path(p.file).name}:{p.line}: {p.level}: {p.message}" for p in problems]


@pytest.mark.parametrize(
    ("line", "level", "said"),
    [
        ("手机\tA.1.h\t2", "warning", "'手机' is an everyday word, and severity 2 stops"),
        ("手機\tA.1.h\t3", "warning", "'手機' is an everyday word, and severity 3 stops"),
        ("Together\tA.1.h\t3\t1", "warning", "'Together' is an everyday word"),
        ("sm\tA.1.f\t1", "warning", "'sm' is found inside 'small'; set `word` to 1"),
        ("zqx\tA.1.f\t1", "warning", "'zqx' is found inside longer words; set `word` to 1"),
        ("ember\tA.1.f\t1", "warning", "'ember' is found inside 'member'"),
        ("c++\tA.1.f\t1\t1", "warning", "has `word` set, which means nothing beside '+'"),
        ("冰毒\tA.1.h\t2\t1", "warning", "has `word` set, which means nothing beside '冰'"),
        ("*\u3000冰毒\tA.1.h\t2", "warning", "begins or ends with a space after folding"),
        ("f*ck it\tA.1.f\t2\t1", "warning", "which are left out: it is looked for as 'fck it'"),
        ("👩\u200d👧\tA.1.f\t2", "warning", "which are left out: it is looked for as '👩👧'"),
        ("毒!\tA.1.h\t2", "warning", "is a single character and marks"),
        ("真假难辨\tA.5.a\t2", "warning", "is of A.5.a, which no filter can decide"),
        ("冰毒\tA.1.h\t2\t0\t\t\t2026-11-24", "warning", "has expired on 2026-11-24 and is not used"),
        ("冰毒\tA.1.h\t2\t0\t\t\t2026-11-25", "note", "expires on 2026-11-25, in 1 day"),
        ("冰毒\tA.1.h\t2\t0\t\t\t2026-12-01", "note", "expires on 2026-12-01, in 7 days"),
        ("冰毒\tA.1.h\t2\t0\t\t2026-11-26\t", "warning", "was added on 2026-11-26, a day to come"),
    ],
)
def test_one_term(tmp_path: Path, line: str, level: str, said: str) -> None:
    found = told(tmp_path, "可卡因货到付款\tA.1.h\t3", line)
    assert len([f for f in found if said in f]) == 1
    assert all(f.startswith("a.tsv:3: ") for f in found)
    assert any(f.startswith(f"a.tsv:3: {level}: ") and said in f for f in found)


@pytest.mark.parametrize(
    "line",
    [
        "手机\tA.1.h\t1",
        "大麻\tA.1.h\t2",
        "强奸\tA.1.f\t3",
        "自杀\tA.4.a\t2",
        "sm\tA.1.f\t1\t1",
        "methamphetamine\tA.1.h\t2",
        "how to make a bomb\tA.1.h\t2",
        "冰毒k粉\tA.1.h\t2",
        "冰毒\tA.1.h\t2\t0\t\t2026-11-25\t2026-12-02",
        "🔞资源\tA.1.f\t2",
    ],
)
def test_a_good_term_is_not_told(tmp_path: Path, line: str) -> None:
    assert told(tmp_path, line) == []


def test_terms_that_fold_to_one(tmp_path: Path) -> None:
    assert told(tmp_path, "购买冰毒\tA.1.h\t2", "購買冰毒\tA.1.f\t3", "购买氷毒\tA.1.h\t2") == [
        "a.tsv:3: warning: '購買冰毒' is also a term of A.1.h (line 2), there with severity 2"
    ]
    (tmp_path / "b.tsv").write_text(HEADER + "出售冰毒\tA.3.e\t2\n", encoding="utf-8")
    found = told(tmp_path, "出售冰毒\tA.1.h\t2")
    assert found == ["b.tsv:2: warning: '出售冰毒' is also a term of A.1.h (a.tsv:2)"]


def test_harmless_texts(tmp_path: Path) -> None:
    (tmp_path / "lexicon.yaml").write_text("version: 1\nallow: [ok.txt]\n")
    (tmp_path / "ok.txt").write_text("# harmless\n大麻烦\n冰毒检测\n冰毒\n", encoding="utf-8")
    assert told(tmp_path, "大麻\tA.1.h\t1", "冰毒\tA.1.h\t2", "烦大\tA.1.h\t2") == [
        "a.tsv:2: note: '大麻' is no hit inside the harmless text '大麻烦' (ok.txt:2)",
        "a.tsv:3: error: '冰毒' is a harmless text too (ok.txt:4), so it can never match as written",
    ]


def test_of_a_bundle_only_the_file_is_known(tmp_path: Path) -> None:
    found = told(tmp_path, "手机\tA.1.h\t2", "手機\tA.1.f\t1")
    assert len(found) == 2
    bundle = tmp_path / "b.bundle"
    bundle.write_bytes(encode_bundle(survey_lexicon(tmp_path).content))
    problems = find_conflicts(survey_lexicon(bundle), TODAY)
    assert [(p.file, p.line) for p in problems] == [(str(bundle), 0)] * 2
    assert "(same file)" in problems[1].message


def test_the_starter_lexicon_has_none() -> None:
    reading = survey_lexicon(shipped.lexicon_directory())
    newest = max(term.added for term in reading.content.terms if term.added is not None)
    problems = find_conflicts(reading, newest)
    assert [p.describe() for p in problems if p.level != "note"] == []


def test_everyday_words_are_folded_sorted_and_not_harmful() -> None:
    file = Path(shipped.__file__).parent / "lexicon" / "everyday.txt"
    lines = file.read_text(encoding="utf-8").splitlines()
    header, words = [line for line in lines if line.startswith("#")], [line for line in lines if line[0] != "#"]
    assert "MIT" in header[0] and words == sorted(set(words))
    assert 11_000 < sum(not word.isascii() for word in words) < 13_000
    assert 3_500 < sum(word.isascii() for word in words) < 4_500
    assert all(map(is_everyday, ["我们", "明白", "经济", "together"]))
    assert not any(map(is_everyday, ["大麻", "强奸", "毒品", "自杀", "婊子", "冰毒", "porn", "rape", "", "#"]))


@pytest.mark.parametrize(
    ("folded", "word"), [("ember", "member"), ("member", "members"), ("zzz", ""), ("together", "")]
)
def test_the_english_word_around(folded: str, word: str) -> None:
    assert english_word_around(folded) == word
