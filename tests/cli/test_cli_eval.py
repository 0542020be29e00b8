"""`sluice eval` as a user runs it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sluice.cli.main import main
from sluice.evaluation.evaluator import Evaluator

LEXICON = {"gambling": "大赌场网址\tA.1.h\t3\n", "gender": "女司机都\tA.2.e\t2\n"}
POLICY = "version: 1\nprofiles:\n  lexicon: {extends: default, detectors: [lexicon]}\n"
FILE = "id,body,kind\n1,去大赌场网址,1\n2,去大 赌 场网址,1\n3,今天很好,0\n4,女司机都这样,0\n5,没有说什么,1\n"


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    """Options that name a lexicon and a policy of the test's own."""
    (tmp_path / "lexicon").mkdir()
    for name, term in LEXICON.items():
        (tmp_path / "lexicon" / f"{name}.tsv").write_text(f"term\trisk\tseverity\n{term}")
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "in.csv").write_text(FILE)
    return [
        *("--lexicon", f"{tmp_path}/lexicon", "--policy", f"{tmp_path}/policy.yaml", "--profile", "lexicon"),
        *("--text", "body", "--label", "kind", "--value", "1=gambling", "--value", "0=clean"),
    ]


def sluice_eval(*arguments: str | Path, **environment: str) -> Result:
    return CliRunner().invoke(main, ["eval", *map(str, arguments)], env=environment)


def test_the_report_as_json(options: list[str], tmp_path: Path) -> None:
    result = sluice_eval(tmp_path / "in.csv", *options, "--json", SLUICE_HASH_KEY="secret")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["schema"] == 1 and report["settings"]["keyed"] and report["versions"]["model"] == ""
    anything, gambling = report["targets"]
    assert (gambling["name"], gambling["harmful"], gambling["clean"]) == ("gambling", 3, 2)
    assert gambling["detectors"]["lexicon"]["stop"]["found"] == 2
    assert gambling["detectors"]["lexicon"]["flag"]["alarms"] == 0  # the term for A.2.e is none for gambling
    assert anything["detectors"]["lexicon"]["stop"]["alarms"] == 1
    assert [example["line"] for example in gambling["missed"]] == [6]
    again = json.loads(sluice_eval(tmp_path / "in.csv", *options, "--json", SLUICE_HASH_KEY="secret").stdout)
    assert again == report


def test_a_key_need_not_be_utf8(options: list[str], tmp_path: Path) -> None:
    key = os.fsdecode(b"\xff")
    reports = [sluice_eval(tmp_path / "in.csv", *options, "--json", SLUICE_HASH_KEY=key) for _ in range(2)]
    assert reports[0].exit_code == 0, reports[0].stderr
    assert json.loads(reports[0].stdout)["settings"]["keyed"] and reports[0].stdout == reports[1].stdout


def test_the_summary_and_the_three_files(options: list[str], tmp_path: Path) -> None:
    result = sluice_eval(tmp_path / "in.csv", *options, "--out", tmp_path / "out", "--random-cuts", "--seed", "3")
    assert result.exit_code == 0, result.stderr
    for heading in ("What was evaluated", "Whole texts, by detector", "Whole texts, by target", "Streams"):
        assert heading in result.stdout
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["report.html", "report.json", "report.md"]
    streams = json.loads((tmp_path / "out" / "report.json").read_text())["streams"]
    assert (streams["cut"], streams["seed"]) == ("random", 3)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<svg" in page and "赌场" not in page


def test_without_matplotlib_there_are_no_plots(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "sluice.evaluation.plots", raising=False)
    result = sluice_eval(tmp_path / "in.csv", *options, "--out", tmp_path / "out")
    assert result.exit_code == 0 and "pip install '.[eval]'" in result.stderr
    assert "<svg" not in (tmp_path / "out" / "report.html").read_text()


def test_a_mapping_file_and_json_lines(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text("text: body\nlabels: [{column: y, values: {yes: A.1.h, no: clean}}]\n")
    lines = [{"body": "去大赌场网址", "y": "yes"}, {"body": "好", "y": "no"}]
    (tmp_path / "in.data").write_text("\n".join(map(json.dumps, lines)))
    arguments = (tmp_path / "in.data", *options[:6], "--mapping", tmp_path / "map.yaml", "--format", "jsonl", "--json")
    report = json.loads(sluice_eval(*arguments, "--no-streams").stdout)
    assert report["targets"][1]["name"] == "A.1.h" and report["streams"] is None
    clash = sluice_eval(*arguments, "--text", "body")
    assert clash.exit_code == 2 and "leave out --text" in clash.stderr


def test_bad_rows_are_named_and_counted(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(FILE + "6,x\n" * 30)
    result = sluice_eval(tmp_path / "in.csv", *options, "--json")
    assert result.exit_code == 1 and json.loads(result.stdout)["file"]["bad"] == 30
    errors = result.stderr.splitlines()
    assert len(errors) == 21 and errors[0] == f"sluice: {tmp_path}/in.csv:7: 2 fields, the first line has 3"
    assert errors[-1] == "sluice: and 10 more bad rows"


@pytest.mark.parametrize(
    ("asked", "code"),
    [(["--min-recall", "0.6"], 0), (["--min-recall", "0.7"], 3), (["--max-fpr", "0.5"], 0), (["--max-fpr", "0.4"], 3)],
)
def test_what_must_be_met(options: list[str], tmp_path: Path, asked: list[str], code: int) -> None:
    result = sluice_eval(tmp_path / "in.csv", *options, *asked, "--no-streams")
    assert result.exit_code == code, result.stderr
    assert (code == 3) == ("asked for" in result.stderr or "allowed" in result.stderr)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.csv"], "No such file"),
        (["in.csv", "--text", "nothing"], "no column 'nothing'; the first line has 'id', 'body', 'kind'"),
        (["in.csv", "--value", "1=gamble"], "did you mean 'gambling'"),
        (["in.csv", "--value", "1"], "is not VALUE=TARGET"),
        (["in.csv", "--detectors", "oracle"], "unknown detector 'oracle'"),
        (["in.csv", "--mapping", "none.yaml", "--detectors", "lexicon"], "leave out"),
        (["in.csv", "--out", "in.csv/x"], "cannot be written"),
    ],
)
def test_errors_are_one_clear_line(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = sluice_eval(arguments[0], *options, *arguments[1:], "--no-streams")
    assert result.exit_code in (1, 2) and message in result.stderr and "Traceback" not in result.stderr


def test_text_is_shown_only_where_asked(options: list[str], tmp_path: Path) -> None:
    hidden = sluice_eval(tmp_path / "in.csv", *options, "--json").stdout
    shown = sluice_eval(tmp_path / "in.csv", *options, "--json", "--show-text").stdout
    assert "没有说什么" not in hidden and "没有说什么" in shown


def test_a_file_name_that_is_no_utf8_and_text_that_is_none(options: list[str], tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\x1b[31m\n\x9b.jsonl"))
    rows = [{"body": "好\ud800\x9b大赌场网址", "kind": 0}, {"body": "\udfff", "kind": "1"}, {"body": "好", "kind": "?"}]
    path.write_text("\n".join(map(json.dumps, rows)))
    result = sluice_eval(path, *options, "--out", tmp_path / "out", "--show-text", "--json")
    assert result.exit_code == 1, result.stderr  # the third row
    assert "Traceback" not in result.stderr and result.stderr.count("\n") == 1
    name = "\ufffd␛[31m␊\ufffd.jsonl"
    report = json.loads(result.stdout)
    assert report["file"]["name"] == name and report["targets"][0]["alarms"][0]["text"] == "好\ufffd\x9b大赌场网址"
    shown = sluice_eval(path, *options, "--show-text").output
    files = [(tmp_path / "out" / f"report.{kind}").read_text() for kind in ("json", "md", "html")]
    for form in (result.output, shown, *files):
        assert not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in form.replace("\n", ""))
    for form in (shown, files[2]):
        assert name in form


@pytest.mark.parametrize(
    "asked",
    [
        ("--min-recall", "nan"),
        ("--min-recall", "-0.1"),
        ("--max-fpr", "nan"),
        ("--max-fpr", "1.5"),
        ("--max-fpr", "inf"),
        ("--chars-per-second", "nan"),
        ("--chars-per-second", "inf"),
        ("--seed", "-1"),
        ("--seed", "99999999999999999999"),
        ("--limit", "99999999999999999999"),
        ("--examples", "-1"),
        ("--delta-chars", "nan"),
    ],
)
def test_numbers_that_are_none_are_refused(options: list[str], tmp_path: Path, asked: tuple[str, str]) -> None:
    result = sluice_eval(tmp_path / "in.csv", *options, *asked)
    assert result.exit_code == 2 and asked[0] in result.stderr and "Traceback" not in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("in_the_way", ["out", "out/report.md/x"])
def test_where_the_report_cannot_go_is_found_before_the_run(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_the_way: str
) -> None:
    monkeypatch.setattr(Evaluator, "run", lambda *_: pytest.fail("it has begun"))
    (tmp_path / in_the_way).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / in_the_way).write_text("")
    out = tmp_path / "out" / ("new" if in_the_way == "out" else "")
    result = sluice_eval(tmp_path / "in.csv", *options, "--out", out)
    assert result.exit_code == 1 and "cannot be written" in result.stderr, result.output


@pytest.mark.parametrize(("linked", "content"), [(False, FILE), (True, FILE), (False, POLICY)])
def test_a_report_does_not_overwrite_what_is_read(
    options: list[str], tmp_path: Path, linked: bool, content: str
) -> None:
    (tmp_path / "out").mkdir()
    given = report = tmp_path / "out" / "report.json"
    report.write_text(content)
    if linked:
        given = tmp_path / "other.csv"
        given.symlink_to(report)
    arguments = [given, *options] if content == FILE else [tmp_path / "in.csv", *options, "--policy", given]
    result = sluice_eval(*arguments, "--out", tmp_path / "out", "--format", "csv", "--no-streams")
    assert result.exit_code == 1 and "report.json: is read, and the report would overwrite it" in result.stderr
    assert report.read_text() == content


def test_where_a_file_of_the_report_is_a_pipe(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    os.mkfifo(tmp_path / "out" / "report.md")
    result = sluice_eval(tmp_path / "in.csv", *options, "--out", tmp_path / "out")
    assert result.exit_code == 1 and "report.md: cannot be written: it is no ordinary file" in result.stderr


@pytest.mark.parametrize(
    "option", ["--text", "--label", "--prompt", "--span", "--mapping", "--out", "--policy", "--lexicon", "--model"]
)
def test_an_option_that_is_empty_does_not_pass_for_none(options: list[str], tmp_path: Path, option: str) -> None:
    result = sluice_eval(tmp_path / "in.csv", *options, option, "")
    assert result.exit_code == 2 and f"'{option}': is empty" in result.stderr and result.stdout == ""


def test_the_directory_of_the_report_is_made_with_its_parents(options: list[str], tmp_path: Path) -> None:
    assert sluice_eval(tmp_path / "in.csv", *options, "--out", tmp_path / "a" / "b").exit_code == 0
    assert len(list((tmp_path / "a" / "b").iterdir())) == 3


def test_it_is_a_command_of_models_too(options: list[str], tmp_path: Path) -> None:
    arguments = [str(tmp_path / "in.csv"), *options, "--no-streams"]
    assert CliRunner().invoke(main, ["models", "eval", *arguments]).output == sluice_eval(*arguments).output
