"""Labelled files, good and bad, and what their labels stand for."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from sluice.classifier.manifest import RESERVED_HEADS
from sluice.contract.decision import Finding
from sluice.errors import InputError
from sluice.evaluation.mapping import CLEAN, IGNORE, Columns, LabelColumn, Labeller, load_columns, parse_values
from sluice.evaluation.rows import MAX_TEXT_CHARS, LabelledFile, Row, kind_of
from sluice.evaluation.targets import ANY, Targets
from support.marks import MarkHead

TARGETS = Targets(
    [MarkHead("bad", "A.4.c"), MarkHead("drugs", "A.1.h"), MarkHead("gambling", "A.1.h"), MarkHead("gender", "A.2.e")]
)


class Reading:
    """Everything that comes of reading a file."""

    def __init__(self, path: Path, columns: Columns | None = None, **options: object) -> None:
        columns = columns or Columns()
        self.errors: list[str] = []
        self.labeller = Labeller(columns.labels, TARGETS)
        self.file = LabelledFile(
            path,
            columns,
            self.labeller,
            kind=kind_of(path),
            on_error=self.errors.append,
            **options,  # type: ignore[arg-type]
        )
        self.rows = list(self.file.rows())

    @property
    def texts(self) -> list[str]:
        return [row.text for row in self.rows]


def known(row: Row) -> dict[str, bool]:
    return {target.name: bool(label) for target, label in zip(TARGETS.all, row.labels, strict=True) if label >= 0}


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_no_head_can_be_named_like_a_word_of_labels() -> None:
    assert {ANY, CLEAN, IGNORE} == RESERVED_HEADS


def test_csv_with_quotes_and_line_breaks(tmp_path: Path) -> None:
    got = Reading(written(tmp_path / "a.csv", 'label,text\nbad,"one\ntwo, ""three"""\n\nclean,four\n'))
    assert [(row.line, row.text) for row in got.rows] == [(2, 'one\ntwo, "three"'), (5, "four")]
    assert got.errors == [] and (got.file.read, got.file.bad) == (2, 0)


def test_tsv_takes_quotation_marks_as_text(tmp_path: Path) -> None:
    got = Reading(written(tmp_path / "a.tsv", 'text\tlabel\r\n"begun\tbad\r\n"x" y\tclean\r\n'))
    assert got.texts == ['"begun', '"x" y']


def test_json_lines(tmp_path: Path) -> None:
    records = [{"text": "a", "label": ["bad", "gender"]}, {"text": "b", "label": "clean", "more": 1}, {"text": "c"}]
    got = Reading(written(tmp_path / "a.jsonl", "\n".join(map(json.dumps, records)) + "\n"))
    assert got.texts == ["a", "b"] and got.file.ignored == 1
    assert known(got.rows[0]) == dict.fromkeys(("any", "bad", "gender", "A.4.c", "A.2.e", "A.4", "A.2"), True)


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("text,label\n坏话,bad\n".encode("utf-8-sig"), "utf-8"),
        ("text,label\n坏话,bad\n".encode("gb18030"), "gb18030"),
        (b"\x84\x31\x95\x33" + "text,label\n坏话,bad\n".encode("gb18030"), "utf-8"),
        ("text,label\n坏话,bad\n".encode("utf-8-sig"), "gb18030"),
    ],
    ids=["utf-8 with mark", "gb18030", "gb18030 with mark", "the mark says better"],
)
def test_encodings(tmp_path: Path, content: bytes, encoding: str) -> None:
    got = Reading(written(tmp_path / "a.csv", content), encoding=encoding)
    assert got.texts == ["坏话"] and got.file.sha256 == hashlib.sha256(content).hexdigest()


def test_bad_rows_are_named_and_the_others_read(tmp_path: Path) -> None:
    rows = [
        b"text,label",
        b"one,bad",
        b"two",
        b"three,\xff\xfe",
        b"four,nonsense",
        b'five,"bad"x',
        b"six," + b"y" * 40,
        b"seven,clean",
    ]
    path = written(tmp_path / "a.csv", b"\n".join(rows) + b"\n")
    got = Reading(path)
    assert got.texts == ["one", "seven"]
    assert [error.removeprefix(f"{path}:").partition(": ")[0] for error in got.errors] == ["3", "4", "5", "6", "7"]
    assert "1 fields, the first line has 2" in got.errors[0] and "--encoding gb18030" in got.errors[1]
    assert "the label 'nonsense' in column label stands for nothing" in got.errors[2] and "not CSV" in got.errors[3]
    assert "y" * 40 not in got.errors[4] and "of 40 characters" in got.errors[4]
    assert (got.file.read, got.file.bad) == (7, 5)


def test_a_quotation_mark_that_is_never_closed_does_not_pass_in_silence(tmp_path: Path) -> None:
    got = Reading(written(tmp_path / "a.csv", 'label,text\nbad,one\nbad,"two\nclean,three\n'))
    assert got.texts == ["one"] and got.errors[0].endswith("; skipped up to line 4") and ":3: not CSV" in got.errors[0]


def test_bad_json_lines(tmp_path: Path) -> None:
    lines = [b"{", b"[]", b'{"label": "bad"}', b'{"text": "\xff", "label": "bad"}', b'{"text": "x", "label": {}}', b""]
    lines += [b'{"text": "' + b"x" * (MAX_TEXT_CHARS + 1) + b'", "label": "bad"}', b'{"text": "ok", "label": "bad"}']
    got = Reading(written(tmp_path / "a.jsonl", b"\n".join(lines)))
    assert got.texts == ["ok"] and got.file.bad == 6 and len(got.errors) == 6


def test_a_line_beyond_all_measure_is_skipped(tmp_path: Path) -> None:
    got = Reading(written(tmp_path / "a.jsonl", b"x" * 3_000_000 + b'\n{"text": "ok", "label": "bad"}\n'))
    assert got.texts == ["ok"] and "3000001 bytes" in got.errors[0]
    assert (got.file.read, got.file.bad) == (2, 1)
    table = Reading(written(tmp_path / "a.csv", b"text,label\n" + b"x" * 3_000_000 + b"\nok,bad\n"))
    assert table.texts == ["ok"] and (table.file.read, table.file.bad) == (2, 1)


def test_files_that_cannot_be_read_at_all(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.csv:1: no column 'label'; the first line has 'text', 'kind'"):
        Reading(written(tmp_path / "a.csv", "text,kind\nx,bad\n"))
    with pytest.raises(InputError, match=r"a\.csv:1: the column 'text' is there twice"):
        Reading(written(tmp_path / "a.csv", "text,label,text\nx,bad,y\n"))
    with pytest.raises(InputError, match=r"a\.tsv:1: 1003 columns, the limit is 1000"):
        Reading(written(tmp_path / "a.tsv", "text\tlabel" + "\t" * 1001 + "\n"))
    for name in ("r.csv", "r.tsv"):
        content = "text,label\rx,bad\r".replace(",", "," if name == "r.csv" else "\t")
        with pytest.raises(InputError, match=rf"{name}:1: .*a line ends with CR alone; save the file with LF or CRLF"):
            Reading(written(tmp_path / name, content))
    for content in ('[\n{"text": "x", "label": "bad"},\n]\n', '\n [{"text": "x", "label": "bad"}]'):
        with pytest.raises(InputError, match=r"a\.json:\d: a JSON array; write each object on a line"):
            Reading(written(tmp_path / "a.json", content))
    with pytest.raises(InputError, match=r"q\.csv:1: not CSV"):
        Reading(written(tmp_path / "q.csv", 'text,"label"x\ntext,label\nx,bad\n'))
    with pytest.raises(InputError, match="UTF-16"):
        Reading(written(tmp_path / "b.csv", "text,label\n".encode("utf-16")))
    with pytest.raises(InputError, match="No such file"):
        Reading(tmp_path / "none.csv")
    with pytest.raises(InputError, match="--format"):
        kind_of(Path("a.xlsx"))


def test_columns_without_a_name_may_be_several(tmp_path: Path) -> None:
    assert Reading(written(tmp_path / "a.csv", "text,label,,\nx,bad,,\n")).texts == ["x"]


def test_a_row_of_fields_without_end_is_not_kept_in_memory(tmp_path: Path) -> None:
    endless = '"' + '\n","' * 1_000_000 + '"'
    got = Reading(written(tmp_path / "a.csv", f"text,label\n{endless}\n".encode()))
    assert "a.csv:2: more than 2531072 bytes in one row" in got.errors[0] and got.texts == []
    many = Reading(written(tmp_path / "b.csv", "text,label\n" + "," * 300_000 + "x\nok,bad\n"))
    assert many.texts == ["ok"] and "b.csv:2: 300001 fields, the first line has 2" in many.errors[0]


def test_a_key_that_is_there_twice(tmp_path: Path) -> None:
    got = Reading(written(tmp_path / "a.jsonl", '{"text": "a", "text": "b", "label": "bad"}\n'))
    assert got.texts == [] and "a.jsonl:1: the key 'text' is there twice" in got.errors[0]


def test_a_limit_reads_fewer_rows_and_hashes_the_whole_file(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "text,label\n" + "x,bad\n" * 100)
    got = Reading(path, limit=3)
    assert len(got.rows) == 3 and got.file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_spans(tmp_path: Path) -> None:
    content = "text,label,a,b\n0123456789,bad,2,5\nx,clean,,\nshort,bad,2,9\nshort,bad,two,3\n"
    got = Reading(written(tmp_path / "a.csv", content), Columns(span=("a", "b")))
    assert [row.span for row in got.rows] == [(2, 5), None]
    assert "[2, 9) is not inside" in got.errors[0] and "not two whole numbers" in got.errors[1]


@pytest.mark.parametrize(
    ("start", "end"),
    [(True, 5), (0, 2.9), (0, 2.0), ("1_0", 12), ("\u0661", 5), ("-1", 5), (-1, 5), ("", 5), ("9" * 5000, 5)],
)
def test_a_span_is_two_whole_numbers(tmp_path: Path, start: object, end: object) -> None:
    line = json.dumps({"text": "x" * 20, "label": "bad", "a": start, "b": end})
    got = Reading(written(tmp_path / "a.jsonl", line), Columns(span=("a", "b")))
    assert got.texts == [] and got.file.bad == 1 and "span" in got.errors[0]


def test_a_span_of_json_and_one_with_spaces(tmp_path: Path) -> None:
    lines = [json.dumps({"text": "x" * 20, "label": "bad", "a": a, "b": b}) for a, b in ((0, 3), (" 02", "3 "))]
    got = Reading(written(tmp_path / "a.jsonl", "\n".join(lines)), Columns(span=("a", "b")))
    assert [row.span for row in got.rows] == [(0, 3), (2, 3)]


def test_a_carriage_return_inside_one_row_is_told_in_words_of_ours(tmp_path: Path) -> None:
    got = Reading(written(tmp_path / "a.csv", "text,label\none,bad\rtwo,bad\nthree,bad\n"))
    assert got.texts == ["three"] and got.errors[0].endswith(
        ":2: not CSV: a line ends with CR alone; save the file with LF or CRLF"
    )


def labels_of(columns: Columns, **cells: object) -> dict[str, bool] | None:
    labels = Labeller(columns.labels, TARGETS).labels(cells)
    return None if labels is None else known(Row(1, "", labels))


def test_a_clean_label_speaks_for_what_its_column_can_name() -> None:
    one = Columns(labels=(LabelColumn("label", {"0": "clean", "1": "drugs"}),))
    assert labels_of(one, label="0") == {"any": False, "drugs": False}
    assert labels_of(one, label="1") == dict.fromkeys(("any", "drugs", "A.1.h", "A.1"), True)
    everything = labels_of(Columns(), label="clean")
    assert everything is not None and len(everything) == len(TARGETS.all) and not any(everything.values())


def test_other_targets_are_unknown_unless_the_mapping_says_clean() -> None:
    values = {"d": "drugs", "g": "gambling", "b": "bad"}
    unknown = Columns(labels=(LabelColumn("label", values),))
    assert "bad" not in (labels_of(unknown, label="d") or {})
    exclusive = Columns(labels=(LabelColumn("label", values, others="clean"),))
    found = labels_of(exclusive, label="d") or {}
    assert (found["drugs"], found["A.1.h"], found["gambling"], found["bad"]) == (True, True, False, False)


def test_a_column_a_head_and_several_labels_in_a_cell() -> None:
    two = Columns(
        labels=(
            LabelColumn("D", {"0": "clean", "1": "drugs"}),
            LabelColumn("G", {"0": "clean", "1": "gambling"}),
        )
    )
    assert labels_of(two, D="1", G="0") == {"any": True, "drugs": True, "A.1.h": True, "A.1": True, "gambling": False}
    assert labels_of(two, D=0, G=0) == {"any": False, "drugs": False, "gambling": False}
    assert labels_of(two, D=0) == {"drugs": False}  # perhaps it is gambling
    assert labels_of(two) is None
    cell = Columns(labels=(LabelColumn("label", separator=";"),))
    assert {"drugs", "bad"} <= set(labels_of(cell, label="drugs; bad") or {})
    joined = Columns(labels=(LabelColumn(("topic", "label"), {"sex/1": "gender", "sex/0": "clean"}),))
    assert (labels_of(joined, topic="sex", label=1) or {})["gender"]


def test_ignored_labels_and_any_harm() -> None:
    columns = Columns(labels=(LabelColumn("label", {"?": "ignore", "1": "any", "0": "clean"}),))
    assert labels_of(columns, label="?") is None
    assert labels_of(columns, label="1") == {"any": True}
    assert labels_of(Columns(labels=()), whatever="x") == dict.fromkeys((t.name for t in TARGETS.all), False)


def test_a_mapping_file(tmp_path: Path) -> None:
    text = "text: TEXT\nlabels:\n- column: [topic, label]\n  values: {race/0: clean, race/1: [bad, A.2.a]}\n"
    columns = load_columns(written(tmp_path / "m.yaml", text + "span: [from, to]\nprompt: question\n"))
    assert columns.named == ["TEXT", "topic", "label", "question", "from", "to"]
    assert columns.labels[0].values["race/1"] == ("bad", "A.2.a")
    plain = load_columns(written(tmp_path / "n.yaml", "labels: [{column: y, values: {0: clean, true: bad}}]\n"))
    assert dict(plain.labels[0].values) == {"0": "clean", "true": "bad"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("txt: TEXT\n", "unknown field `txt`"),
        ("labels: [{values: {}}]\n", "required field `column`"),
        ("labels: [{column: a, others: harmful}]\n", "harmful"),
        ("labels: [{column: []}]\n", r"length >= 1 - at `\$\.labels\[0\]\.column`"),
        ("labels: [{column: a, values: {x: []}}]\n", "length >= 1"),
        ("text: [\n", "not valid YAML"),
        ("text: a\ntext: b\n", "m.yaml:2: text: given twice"),
        ("text: &a x\n", "anchors"),
        ("", "the file is empty"),
    ],
)
def test_mapping_files_that_are_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        load_columns(written(tmp_path / "m.yaml", text))
    assert "m.yaml" in str(error.value)


def test_what_a_value_stands_for_must_be_there() -> None:
    with pytest.raises(InputError, match=r"label column label: value '1': 'drug' is no head.*did you mean 'drugs'"):
        Labeller((LabelColumn("label", {"1": "drug"}),), TARGETS)
    with pytest.raises(InputError, match="is not VALUE=TARGET"):
        list(parse_values(["1"]))
    assert list(parse_values(["a=b=clean", "1=bad, gender"])) == [("a=b", ("clean",)), ("1", ("bad", "gender"))]


def test_a_finding_speaks_for_its_head_its_risk_and_its_group() -> None:
    def names(source: str, rule: str, risk: str) -> set[str]:
        finding = Finding(risk, source, rule, 1.0, 0, 1)  # type: ignore[arg-type]
        return {TARGETS.all[place].name for place in TARGETS.about(finding)}

    around = {"any", "A.1.h", "A.1"}
    assert names("classifier", "drugs", "A.1.h") == {*around, "drugs"}
    assert names("lexicon", "drugs-00ff00ff", "A.1.h") == {*around, "drugs"}
    assert names("lexicon", "ours-00ff00ff", "A.1.h") == {*around, "drugs", "gambling"}
    assert names("lexicon", "ours-00ff00ff", "A.2.e") == {"any", "A.2.e", "A.2", "gender"}
