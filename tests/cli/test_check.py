"""`sluice check` as a user runs it: words, files, standard input, good and bad."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

LEXICON = "term\trisk\tseverity\n大赌场网址\tA.1.h\t3\n女司机都\tA.2.e\t2\n弱词在此\tA.1.f\t1\n"
POLICY = """
version: 1
profiles:
  lexicon: {extends: default, detectors: [lexicon], risks: {"*": {flag: 0.6}, A.1: {flag: 0.6}, A.1.f: {flag: 0.6}}}
"""


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    """Options that name a lexicon and a policy of the test's own."""
    (tmp_path / "lexicon").mkdir()
    (tmp_path / "lexicon" / "t.tsv").write_text(LEXICON)
    (tmp_path / "policy.yaml").write_text(POLICY)
    return ["--lexicon", f"{tmp_path}/lexicon", "--policy", f"{tmp_path}/policy.yaml", "--profile", "lexicon"]


def sluice(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "sluice", *arguments], input=stdin, capture_output=True, timeout=60)


def test_json_lines(options: list[str]) -> None:
    result = sluice("check", "--json", *options, "今天很好", "去大*赌场网址看女司机都")
    assert result.returncode == 0, result.stderr
    first, second = [json.loads(line) for line in result.stdout.splitlines()]
    assert (first["id"], first["action"], first["findings"]) == ("1", "release", [])
    assert second["action"] == "stop"
    assert second["findings"] == [
        {
            "risk": "A.1.h",
            "source": "lexicon",
            "rule": second["findings"][0]["rule"],
            "score": 0.95,
            "start": 1,
            "end": 7,
            "matched": "noise",
        },
        {
            "risk": "A.2.e",
            "source": "lexicon",
            "rule": second["findings"][1]["rule"],
            "score": 0.9,
            "start": 8,
            "end": 12,
            "attribute": "gender",
            "matched": "exact",
        },
    ]
    assert set(second["versions"]) == {"lexicon", "model", "policy"} and second["scores"] == {}


def test_a_file_of_lines_plain_and_json(options: list[str], tmp_path: Path) -> None:
    file = tmp_path / "in.txt"
    file.write_text('{"id": "a", "text": "大赌场网址"}\n\n普通的一行\n{not json\n{"id": 7, "text": "弱词在此"}\n')
    result = sluice("check", "--json", *options, str(file))
    found = [(r["id"], r["action"]) for r in map(json.loads, result.stdout.splitlines())]
    assert found == [("a", "stop"), ("3", "release"), ("4", "release"), ("7", "flag")]
    assert result.returncode == 0


def test_standard_input_and_a_whole_file(options: list[str], tmp_path: Path) -> None:
    result = sluice("check", "--json", *options, "-", stdin="第一\n大赌场网址\n".encode())
    assert [json.loads(line)["action"] for line in result.stdout.splitlines()] == ["release", "stop"]
    (tmp_path / "whole.txt").write_text("第一\n大赌场网址\n")
    result = sluice("check", "--json", "--whole", *options, str(tmp_path / "whole.txt"))
    (record,) = map(json.loads, result.stdout.splitlines())
    assert record["findings"][0]["start"] == 3


def test_bad_lines_are_named_and_the_others_checked(options: list[str], tmp_path: Path) -> None:
    file = tmp_path / "in.txt"
    file.write_bytes(b'good\n\xff\xfe\n{"id": 1}\n{"text": "x", "id": []}\n' + b"x" * 1_000_001 + b"\nlast\n")
    result = sluice("check", "--json", *options, str(file))
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["1", "6"]
    assert result.returncode == 1
    errors = result.stderr.decode().splitlines()
    assert [e.removeprefix(f"sluice: {file}:").split(":")[0] for e in errors] == ["2", "3", "4", "5"]
    assert "not UTF-8" in errors[0] and "no string `text`" in errors[1] and "1000001 characters" in errors[3]


def test_the_view_names_risks_and_cannot_steer_the_terminal(options: list[str]) -> None:
    result = sluice("check", *options, "\x1b[31m去大赌场网址", "好")
    text = result.stdout.decode()
    assert "A.1.h 其他法律、行政法规禁止的内容" in text and "[6, 11)" in text
    assert "\x1b" not in text and "␛[31m" in text
    assert "release: 1, flag: 0, stop: 1" in text


@pytest.mark.parametrize(
    ("text", "fail_on", "code"),
    [("大赌场网址", "stop", 3), ("弱词在此", "stop", 0), ("弱词在此", "flag", 3), ("好", "flag", 0)],
)
def test_exit_codes(options: list[str], text: str, fail_on: str, code: int) -> None:
    assert sluice("check", *options, "--fail-on", fail_on, text).returncode == code


@pytest.mark.parametrize("name", ["nofile.txt", "./data/none.jsonl", "/tmp"])
def test_a_mistyped_file_does_not_pass_as_a_clean_text(options: list[str], name: str) -> None:
    result = sluice("check", "--json", *options, name)
    assert result.returncode == 1 and b"no such file" in result.stderr and result.stdout == b""


def test_errors_of_settings_are_one_clear_line(options: list[str], tmp_path: Path) -> None:
    result = sluice("check", "--lexicon", f"{tmp_path}/none", "x")
    assert result.returncode == 1 and b"none: No such file" in result.stderr and b"Traceback" not in result.stderr
    result = sluice("check", *options[:-1], "nobody", "x")
    assert result.returncode == 1 and b"unknown profile" in result.stderr
