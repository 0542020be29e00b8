"""Plain lists as operators have them: their encodings, their mistakes, their size; and `lexicon.yaml` around them."""

from __future__ import annotations

from itertools import islice, product
from pathlib import Path

import pytest

from sluice.errors import LexiconError
from sluice.lexicon import Lexicon
from sluice.lexicon.bundle import read_lexicon
from sluice.lexicon.files import Content, read_directory

WORDS = "冰毒货到付款\n大麻\nWhite Powder\n"


def lexicon(directory: Path, data: bytes | str, more: str = "", settings: str = "") -> Path:
    """A directory with one plain list; `more` is said of the list, `settings` of the lexicon."""
    (directory / "list.txt").write_bytes(data.encode() if isinstance(data, str) else data)
    (directory / "lexicon.yaml").write_text(
        f"version: 1\nlists:\n  - {{file: list.txt, risk: A.1.h{more}}}\n{settings}", encoding="utf-8"
    )
    return directory


def texts(content: Content) -> list[str]:
    return [term.text for term in content.terms]


def told(directory: Path) -> list[str]:
    _, problems = read_directory(directory)
    return [f"{Path(p.file).name}:{p.line}: {p.level}: {p.message}" for p in problems]


@pytest.mark.parametrize(
    ("data", "more"),
    [
        (WORDS.encode(), ""),
        (WORDS.encode("utf-8-sig"), ""),
        (WORDS.encode("gb18030"), ""),
        (WORDS.encode("gb18030"), ", encoding: gb18030"),
        (f"\ufeff{WORDS}".encode("gb18030"), ""),
        (f"\ufeff# a comment\n{WORDS}".encode("gb18030"), ", encoding: gb18030"),
        (WORDS.replace("\n", "\r\n").encode(), ", encoding: utf-8"),
        (f"# a comment\n\n  \n{WORDS}".encode(), ""),
        (WORDS.rstrip("\n").encode(), ""),
    ],
)
def test_encodings_and_line_ends(tmp_path: Path, data: bytes, more: str) -> None:
    content = read_lexicon(lexicon(tmp_path, data, more))
    assert texts(content) == WORDS.split("\n")[:3]
    assert {term.category for term in content.terms} == {"list"}


@pytest.mark.parametrize(
    ("data", "more", "said"),
    [
        (WORDS.encode("utf-16"), "", "list.txt:0: error: UTF-16; save it as UTF-8"),
        (WORDS.encode("gb18030"), ", encoding: utf-8", "list.txt:1: error: not UTF-8 at byte 0"),
        (b"good\nbad \xff\xff\n", "", "list.txt:2: error: neither UTF-8 nor GB18030 at byte 9"),
    ],
)
def test_other_encodings_are_refused(tmp_path: Path, data: bytes, more: str, said: str) -> None:
    assert told(lexicon(tmp_path, data, more)) == [said]


def test_what_holds_for_all_of_a_list(tmp_path: Path) -> None:
    more = ", severity: 3, boundary: need, channels: [folded, pinyin], source: regulator"
    dama, long, latin = read_lexicon(lexicon(tmp_path, "大麻\n冰毒货\nweed\n", more)).terms
    assert {(t.risk, t.severity, t.source, t.channels) for t in (dama, long, latin)} == {
        ("A.1.h", 3, "regulator", ("folded", "pinyin"))
    }
    assert [t.boundary for t in (dama, long, latin)] == ["need", "", ""]  # only two characters cross words by accident
    assert [t.word for t in (dama, long, latin)] == [False, False, True]


def test_one_bad_line_hides_no_other(tmp_path: Path) -> None:
    lines = ["冰毒货到付款", "毒", "***", "x" * 65, "冰*毒货到付款", "a\tb", "大麻"]
    directory = lexicon(tmp_path, "\n".join(lines))
    assert told(directory) == [
        "list.txt:2: warning: one character is too short for a term; the line is left out",
        "list.txt:3: error: the term is empty after folding, so it can never match",
        "list.txt:4: error: the term has 65 characters, the limit is 64",
        "list.txt:5: warning: the same term as line 1 after folding, for the same risk",
        "list.txt:6: error: a plain list has one term a line and nothing else; this line has a tab",
    ]
    assert texts(read_directory(directory)[0]) == ["冰毒货到付款", "大麻"]


def test_beside_tables(tmp_path: Path) -> None:
    (tmp_path / "drugs.tsv").write_text("risk\tterm\tseverity\nA.1.h\t冰毒\t3\nA.1.h\n", encoding="utf-8")
    directory = lexicon(tmp_path, "冰毒\n大麻\n")
    assert told(directory) == [
        "drugs.tsv:3: error: severity '' is not 1, 2 or 3",
        "list.txt:1: warning: the same term as drugs.tsv:2 after folding, for the same risk",
    ]


@pytest.mark.parametrize("cells", ["A.1.h\t2", "A.1.h\t2\t", "\t\t"])
def test_a_short_row_of_a_table(tmp_path: Path, cells: str) -> None:
    (tmp_path / "drugs.tsv").write_text(f"risk\tseverity\tterm\n{cells}\nA.1.h\t2\t冰毒\n", encoding="utf-8")
    content, problems = read_directory(tmp_path)
    assert texts(content) == ["冰毒"]
    assert [p.line for p in problems] == ([] if not cells.strip() else [2])


def test_harmless_texts(tmp_path: Path) -> None:
    (tmp_path / "ok.txt").write_bytes("大麻烦\n".encode("gb18030"))
    (tmp_path / "bad.txt").write_text("大麻花\n***\n" + "x" * 65 + "\n", encoding="utf-8")
    directory = lexicon(tmp_path, WORDS, settings="allow: [ok.txt]\n")
    assert read_lexicon(directory).harmless == ("大麻烦",)
    lexicon(tmp_path, WORDS, settings="allow: [bad.txt, none.txt]\n")
    assert told(directory) == [
        "bad.txt:2: error: the text is empty after folding",
        "bad.txt:3: error: the text has 65 characters, the limit is 64",
        "none.txt:0: error: No such file or directory",
    ]


@pytest.mark.parametrize("name", ["../list.txt", "/etc/hostname", "a/../../x", ""])
def test_a_path_outside_the_directory(tmp_path: Path, name: str) -> None:
    (tmp_path / "lexicon.yaml").write_text(f"version: 1\nlists:\n  - {{file: '{name}', risk: A.1.h}}\n")
    assert told(tmp_path) == [f"lexicon.yaml:3: error: {name!r} is not a file in the lexicon's directory"]


def test_a_list_in_a_folder_and_one_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "drugs.txt").write_text(WORDS)
    text = "version: 1\nlists:\n- {file: lists/drugs.txt, risk: A.1.h}\n- {file: lists/none.txt, risk: A.1.h}\n"
    (tmp_path / "lexicon.yaml").write_text(text)
    assert told(tmp_path) == ["none.txt:0: error: No such file or directory"]
    assert len(read_directory(tmp_path)[0].terms) == 3


def test_a_long_list(tmp_path: Path) -> None:
    chars = [chr(code) for code in range(0x4E00, 0x4E00 + 400)]
    words = ["".join(word) for word in islice(product(chars, chars, "毒枪"), 100_000)]
    found = Lexicon.load(lexicon(tmp_path, "\n".join(words)))
    assert len(found.terms) > 90_000  # the others are traditional forms of these


def test_mistakes_in_the_settings_are_told_with_their_lines(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(WORDS)
    (tmp_path / "lexicon.yaml").write_text(
        "version: 2\n"
        "nam: x\n"
        "noise: 'ab'\n"
        "channels:\n"
        "  A.9: {pinyin: off}\n"
        "  A.1: {pinyn: on}\n"
        "  '*': {split: 2}\n"
        "lists:\n"
        "  - {file: list.txt}\n"
        "  - {file: list.txt, risk: A.9.z}\n"
        "  - {file: list.txt, risk: A.1.h, severity: 4}\n"
        "  - {file: list.txt, risk: A.1.h, encoding: big5}\n"
        "  - {file: list.txt, risk: A.1.h, channels: [pinyn]}\n"
        "  - {file: list.txt, risk: A.1.h, color: red}\n"
        "allow: ok.txt\n"
    )
    lines = told(tmp_path)
    assert [int(line.split(":")[1]) for line in lines if line.startswith("lexicon.yaml")] == [
        *(1, 2, 3, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15)
    ]
    assert all(": error: " in line for line in lines if line.startswith("lexicon.yaml"))
    with pytest.raises(LexiconError, match="did you mean 'name'"):
        read_lexicon(tmp_path)


@pytest.mark.parametrize(
    ("text", "line"),
    [("", 1), ("- a\n", 1), ("version: 1\nnoise: [\n", 3), ("version: 1\nname: &x y\n", 2), ("name: x\n", 1)],
)
def test_settings_that_are_no_settings(tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / "a.tsv").write_text("term\trisk\tseverity\n冰毒\tA.1.h\t2\n")
    (tmp_path / "lexicon.yaml").write_text(text)
    (first, *_) = told(tmp_path)
    assert first.startswith(f"lexicon.yaml:{line}: error: ")
