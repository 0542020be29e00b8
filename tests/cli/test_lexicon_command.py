"""`sluice lexicon` as a user runs it: what it prints, where, and with which exit code."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.cells import cell_len

from sluice.cli.main import main
from sluice.lexicon.bundle import encode_bundle, read_lexicon, version_of
from sluice.shipped import lexicon_directory

GOOD = {
    "drugs.tsv": (
        "term\trisk\tseverity\tword\tallow\tadded\n冰毒现货\tA.1.h\t3\t0\t\t2026-11-20\n"
        "冰毒\tA.1.h\t1\t0\t冰毒检测\t2026-11-18\nsnow for sale\tA.1.h\t2\t1\n"
    ),
    "slurs.txt": "死穷鬼\n",
    "lexicon.yaml": "version: 1\nname: mine\nlists:\n  - {file: slurs.txt, risk: A.2.i}\n",
}
WARNED = {"drugs.tsv": "term\trisk\tseverity\n冰毒现货\tA.1.h\t3\n手机\tA.1.h\t2\n"}
BAD = {"drugs.tsv": "term\trisk\tseverity\n毒\tA.1.h\t3\n冰毒\tA.9\t2\n手机\tA.1.h\t2\n"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, files in (("good", GOOD), ("warned", WARNED), ("bad", BAD)):
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / file).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, input: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["lexicon", *arguments], input=input)


def lines(result: Result) -> list[str]:
    return result.stdout.splitlines()


def version(path: str) -> str:
    return version_of(read_lexicon(Path(path)))


def test_check_of_a_good_one() -> None:
    result = run("check", "good", "--today", "2026-11-24")
    assert result.exit_code == 0 and result.stderr == ""
    assert lines(result) == [
        f"good: 4 terms, version {version('good')}: 0 errors, 0 warnings, 0 notes",
        "audit gbt45654: not met: 4 of 10000 terms, 0 of 17 risks have enough, the newest 4 days old (at most 7)",
    ]


def test_check_names_errors_and_warnings_in_the_order_of_the_file() -> None:
    result = run("check", "bad")
    assert result.exit_code == 1 and result.stderr == ""
    first, second, third, summary, audit = lines(result)
    assert first == "bad/drugs.tsv:2: error: a term needs at least two characters"
    assert second == "bad/drugs.tsv:3: error: unknown risk id 'A.9'; the ids are A.1.a to A.5.b"
    assert third.startswith("bad/drugs.tsv:4: warning: '手机' is an everyday word")
    assert summary.endswith(": 2 errors, 1 warning, 0 notes")
    assert "no term has a date" in audit


def test_warnings_fail_only_if_strict() -> None:
    assert run("check", "warned").exit_code == 0
    assert run("check", "warned", "--strict").exit_code == 3
    assert run("check", "good", "--strict", "--today", "2026-11-24").exit_code == 0
    assert run("check", "bad", "--strict").exit_code == 1


def test_check_as_json() -> None:
    result = run("check", "warned", "--json", "--today", "2026-11-24")
    found = json.loads(result.stdout)
    assert (found["lexicon"], found["terms"], found["version"]) == ("warned", 2, version("warned"))
    assert found["counts"] == {"error": 0, "warning": 1, "note": 0}
    (problem,) = found["problems"]
    assert (problem["level"], problem["file"], problem["line"]) == ("warning", "warned/drugs.tsv", 3)
    assert found["audit"]["met"] is False


@pytest.mark.parametrize("command", ["check", "audit", "list", "stats"])
def test_the_shipped_lexicon_is_the_default(command: str) -> None:
    result = run(command)
    assert result.exit_code == (3 if command == "audit" else 0), result.stderr
    assert command == "list" or version(str(lexicon_directory())) in result.stdout


@pytest.mark.parametrize("command", ["check", "audit", "list", "stats", "compile"])
@pytest.mark.parametrize("path", ["none", "good/slurs.txt"])
def test_what_is_no_lexicon_is_one_clear_line(command: str, path: str) -> None:
    result = run(command, path, *(["-o", "out"] if command == "compile" else []))
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1 and result.stderr.startswith(f"sluice: {path[:3]}")
    assert not Path("out").exists()


@pytest.mark.parametrize("command", ["audit", "list", "stats", "compile", "diff", "test"])
def test_a_directory_with_errors_is_refused_with_all_of_them(command: str) -> None:
    more = {"compile": ["-o", "out"], "diff": ["good"]}.get(command, [])
    result = run("test", "x.txt", "--lexicon", "bad") if command == "test" else run(command, "bad", *more)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "drugs.tsv:2: " in result.stderr and "drugs.tsv:3: " in result.stderr


def test_audit() -> None:
    Path("own.yaml").write_text("version: 1\ntitle: ours\ntotal: 4\nrisks: {A.1.h: 3}\nmax_age_days: 7\n")
    result = run("audit", "good", "--profile", "own.yaml", "--today", "2026-11-27")
    assert result.exit_code == 0, result.stdout
    assert lines(result)[1] == "own.yaml: ours"
    assert lines(result)[-1] == "met: 4 of 4 terms, 1 of 1 risks have enough, the newest 7 days old (at most 7)"
    assert run("audit", "good", "--profile", "own.yaml", "--today", "2026-11-28").exit_code == 3
    shipped = run("audit", "good", "--today", "2026-11-24")
    assert shipped.exit_code == 3
    (row,) = [line.split() for line in lines(shipped) if line.startswith("A.1.h")]
    assert row[-4:] == ["3", "200", "197", "short"]


def test_audit_as_json() -> None:
    found = json.loads(run("audit", "good", "--today", "2026-11-24", "--json").stdout)
    assert (found["profile"], found["met"], found["total"], found["total_needed"]) == ("gbt45654", False, 4, 10_000)
    assert (found["newest"], found["age_days"]) == ("2026-11-20", 4)
    assert {"risk": "A.1.h", "count": 3, "needed": 200, "ok": False} in found["rows"]


def test_audit_with_a_profile_that_is_wrong() -> None:
    Path("own.yaml").write_text("version: 1\ntotl: 4\n")
    result = run("audit", "good", "--profile", "own.yaml")
    assert (result.exit_code, result.stderr) == (
        1,
        "sluice: own.yaml:2: totl: unknown key, did you mean 'total'?\n",
    )
    assert run("audit", "good", "--profile", "gbt").exit_code == 1
    assert run("audit", "good", "--today", "yesterday").exit_code == 2


def test_compile_writes_a_bundle_and_its_checksum() -> None:
    result = run("compile", "good", "-o", "mine.bundle")
    data = Path("mine.bundle").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    assert result.exit_code == 0, result.stderr
    assert lines(result) == [
        f"mine.bundle: version {version('good')}, 4 terms, {len(data)} bytes",
        f"SHA-256 {digest}",
    ]
    assert Path("mine.bundle.sha256").read_text() == f"{digest}  mine.bundle\n"
    assert version("mine.bundle") == version("good")
    run("compile", "good", "-o", "mine.bundle")
    assert Path("mine.bundle").read_bytes() == data
    assert sorted(p.name for p in Path().iterdir()) == ["bad", "good", "mine.bundle", "mine.bundle.sha256", "warned"]
    assert run("check", "mine.bundle").exit_code == 0
    assert run("diff", "good", "mine.bundle").exit_code == 0


def test_compile_refuses_what_check_has_an_error_for() -> None:
    Path("good/ok.txt").write_text("冰毒现货\n")
    Path("good/lexicon.yaml").write_text("version: 1\nallow: [ok.txt]\n")
    result = run("compile", "good", "-o", "mine.bundle")
    assert result.exit_code == 1 and not Path("mine.bundle").exists()
    assert result.stderr.startswith("sluice: good/drugs.tsv:2: '冰毒现货' is a harmless text too (ok.txt:1)")


@pytest.mark.parametrize("output", ["none/x", "good"])
def test_compile_to_a_place_that_cannot_be_written(output: str) -> None:
    result = run("compile", "good", "-o", output)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"sluice: {output}: cannot be written: ")


def test_diff() -> None:
    same = run("diff", "good", "good")
    assert (same.exit_code, same.stdout) == (0, f"no difference; version {version('good')}\n")
    Path("mine.bundle").write_bytes(encode_bundle(read_lexicon(Path("good"))))
    Path("good/drugs.tsv").write_text(
        "term\trisk\tseverity\tword\tallow\tadded\n冰毒现货\tA.1.h\t2\t0\t冰毒现货检测\t2026-11-20\n"
        "snow for sale\tA.1.f\t2\t1\n大麻膏\tA.1.h\t2\n"
    )
    Path("good/lexicon.yaml").write_text(GOOD["lexicon.yaml"] + "noise: '#'\n")
    result = run("diff", "mine.bundle", "good")
    assert result.exit_code == 3
    old, new = version("mine.bundle"), version("good")
    assert lines(result) == [
        "! noise: none to #",
        "- A.1.h 1 drugs: 冰毒",
        "+ A.1.h 2 drugs: 大麻膏",
        "~ A.1.f 2 drugs: snow for sale: risk A.1.h to A.1.f",
        "~ A.1.h 2 drugs: 冰毒现货: severity 3 to 2, allow +冰毒现货检测",
        f"1 added, 1 removed, 2 changed; version {old} to {new}",
    ]
    found = json.loads(run("diff", "mine.bundle", "good", "--json").stdout)
    assert (found["before"], found["after"]) == (old, new)
    assert [term["term"] for term in found["added"]] == ["大麻膏"]
    assert [change["fields"] for change in found["changed"]] == [["risk"], ["severity", "allow"]]
    assert found["settings"] == [{"name": "noise", "before": "", "after": "#"}]


def test_sentences(folder: Path) -> None:
    Path("drugs.tsv").write_text(
        "term\tkind\ttext\n冰毒现货\thit\t有冰*毒现货\n冰毒\thit\t有冰毒现货\n冰毒\tmiss\t送去冰毒检测\n"
        "冰毒\thit\t送去冰毒检测\n冰毒\tmiss\t冰毒\n# a comment\n大麻\thit\t大麻\n",
        encoding="utf-8",
    )
    result = run("test", "drugs.tsv", "--lexicon", "good")
    assert result.exit_code == 3 and result.stderr == ""
    assert lines(result) == [
        "drugs.tsv:5: '冰毒' is not found in: 送去冰毒检测",
        "drugs.tsv:6: '冰毒' is found in: 冰毒",
        "drugs.tsv:8: '大麻' is no term",
        "6 sentences, 3 failed",
    ]
    records = [json.loads(line) for line in lines(run("test", "drugs.tsv", "--lexicon", "good", "--json"))]
    assert [r["ok"] for r in records] == [True, True, True, False, False, False]
    assert records[0] == {
        "file": "drugs.tsv",
        "line": 2,
        "term": "冰毒现货",
        "kind": "hit",
        "known": True,
        "ok": True,
    }


def test_the_name_of_a_file_of_sentences_picks_the_term() -> None:
    """The term stands in two categories, and is a hit inside a longer word in only one of them."""
    Path("good/other.tsv").write_text("term\trisk\tseverity\nsnow for sale\tA.3.e\t2\n", encoding="utf-8")
    for name, code in (("drugs.tsv", 0), ("other.tsv", 3)):
        Path(name).write_text("kind\tterm\ttext\nmiss\tsnow for sale\tsnow for sales\n", encoding="utf-8")
        assert run("test", name, "--lexicon", "good").exit_code == code


def test_bad_sentences_are_named_and_the_others_tried() -> None:
    Path("x.tsv").write_text("term\tkind\ttext\n冰毒\tmay\t冰毒\n冰毒\thit\n冰毒\thit\t冰毒\n", encoding="utf-8")
    result = run("test", "x.tsv", "none.tsv", "--lexicon", "good")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "sluice: x.tsv:2: kind 'may' is not hit or miss",
        "sluice: x.tsv:3: 2 cells, the header has 3",
        "sluice: none.tsv: No such file or directory",
    ]
    assert result.stdout == "1 sentences, 0 failed\n"


def test_plain_text_shows_its_hits() -> None:
    text = "\ufeff今天很好\r\n\r\n在这里有一些死穷鬼，还有很长很长很长很长很长的一段话\r\n".encode()
    Path("a.txt").write_bytes(text)
    for name, given in (("a.txt", None), ("-", text)):
        result = run("test", name, "--lexicon", "good", input=given)
        hit, summary = lines(result)
        assert result.exit_code == 0
        assert hit.startswith(f"{name}:3: A.2.i 死穷鬼 [6, 9) slurs-") and " exact: " in hit
        assert hit.endswith(": 在这里有一些[死穷鬼]，还有很长很长很长很长很…")
        assert summary == "2 texts, 1 with hits"
    clean, found = [json.loads(line) for line in lines(run("test", "a.txt", "--lexicon", "good", "--json"))]
    assert clean == {"file": "a.txt", "line": 1, "findings": []}
    (finding,) = found["findings"]
    assert (finding["term"], finding["start"], finding["end"], finding["severity"]) == ("死穷鬼", 6, 9, 2)


def test_plain_text_that_is_not_utf8() -> None:
    Path("a.txt").write_bytes(b"good\n\xff\xfe\n")
    result = run("test", "a.txt", "--lexicon", "good")
    assert (result.exit_code, result.stderr) == (1, "sluice: a.txt:2: not UTF-8 at byte 5\n")


def test_list() -> None:
    assert [line.split()[:4] for line in lines(run("list", "good"))] == [
        ["A.1.h", "3", "drugs", "冰毒现货"],
        ["A.1.h", "1", "drugs", "冰毒"],
        ["A.1.h", "2", "drugs", "snow"],
        ["A.2.i", "2", "slurs", "死穷鬼"],
    ]
    assert len(lines(run("list", "good", "--risk", "A.2"))) == len(lines(run("list", "good", "--risk", "A.2.i"))) == 1
    assert run("list", "good", "--risk", "A.3").stdout == ""
    wrong = run("list", "good", "--risk", "a.2.i")
    assert (wrong.exit_code, wrong.stderr) == (1, "sluice: unknown risk id 'a.2.i', did you mean A.2.i?\n")


def test_list_as_json_has_every_field_of_a_term() -> None:
    first, second, *_ = [json.loads(line) for line in lines(run("list", "good", "--json"))]
    assert list(first) == [
        *("term", "risk", "folded", "rule", "severity", "category", "word", "boundary", "allow", "channels"),
        *("attribute", "hint", "note", "source", "added", "reviewer", "expires"),
    ]
    assert (first["term"], first["risk"], first["added"], first["expires"]) == ("冰毒现货", "A.1.h", "2026-11-20", None)
    assert second["allow"] == ["冰毒检测"]


def test_stats() -> None:
    found = json.loads(run("stats", "good", "--json").stdout)
    assert (found["name"], found["terms"], found["newest"]) == ("mine", 4, "2026-11-20")
    assert found["risks"] == {"A.1.h": 3, "A.2.i": 1}
    assert found["severities"] == {"1": 1, "2": 2, "3": 1}
    assert found["categories"] == {"drugs": 3, "slurs": 1}
    assert found["lengths"] == {"2": 1, "3": 1, "4": 1, "13": 1}
    assert found["scripts"] == {"Han": 3, "Latin": 1}
    assert lines(run("stats", "good"))[:2] == [
        f"good (mine), version {version('good')}",
        "4 terms, the newest of 2026-11-20",
    ]


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("command", ["audit", "stats"])
def test_tables_fit_a_terminal(command: str, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", f"{columns}")
    monkeypatch.setattr("sluice.cli.terminal.WIDTH", columns)
    told = lines(run(command))
    assert max(cell_len(line.rstrip()) for line in told[1:]) <= columns
    assert not any("…" in line for line in told)


EVIL = "\x1b]0;x\x07\u202e"


def test_text_of_others_cannot_steer_the_terminal() -> None:
    Path("evil").mkdir()
    Path("evil/drugs.tsv").write_text(
        f"term\trisk\tseverity\tadded\n冰{EVIL}毒{EVIL}\tA.1.h\t2\t\n手机{EVIL}\tA.1.h\t2\n", encoding="utf-8"
    )
    Path("evil/lexicon.yaml").write_text('version: 1\nname: "x"\n')
    Path(f"{EVIL}.txt").write_text(f"{EVIL}冰毒{EVIL}\n", encoding="utf-8")
    Path("s.tsv").write_text(f"term\tkind\ttext\n冰毒\tmiss\t{EVIL}冰毒\n{EVIL}\thit\tx\n", encoding="utf-8")
    Path("worse").mkdir()
    for name in ("drugs", EVIL):
        Path(f"worse/{name}.tsv").write_text(f"term\trisk\tseverity\n冰毒\tA{EVIL}\t{EVIL}\n", encoding="utf-8")
    for arguments in (
        ["check", "evil"],
        ["check", "worse"],
        ["list", "evil"],
        ["stats", "evil"],
        ["audit", "evil"],
        ["diff", "good", "evil"],
        ["diff", "evil", "good"],
        ["compile", "worse", "-o", "x"],
        ["compile", "evil", "-o", f"{EVIL}.bundle"],
        ["test", f"{EVIL}.txt", "s.tsv", "none\x1b", "--lexicon", "evil"],
        ["audit", "--profile", f"{EVIL}.yaml"],
        ["list", "--risk", EVIL],
    ):
        result = run(*arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit), arguments
        assert result.output and all(c.isprintable() or c == "\n" for c in result.output), arguments
    for arguments in (["list", "evil"], ["check", "evil"], ["diff", "good", "evil"], ["stats", "evil"]):
        printed = run(*arguments, "--json").stdout
        assert all(c.isprintable() or c == "\n" for c in printed), arguments
    assert json.loads(run("list", "evil", "--json").stdout.splitlines()[0])["term"] == f"冰{EVIL}毒{EVIL}"


def test_a_reader_that_stops_early_is_no_error() -> None:
    command = f"{sys.executable} -m sluice lexicon list | head -n 1"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert (len(result.stdout.splitlines()), result.stderr) == (1, "")


def run_process(*arguments: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [sys.executable, "-m", "sluice", "lexicon", *arguments], stderr=subprocess.PIPE, timeout=60, **options
    )


@pytest.mark.parametrize("output", ["", "."])
def test_a_bundle_needs_the_name_of_a_file(output: str) -> None:
    result = run_process("compile", "good", "-o", output, stdout=subprocess.PIPE)
    assert result.returncode == 1 and b"cannot be written" in result.stderr and b"Traceback" not in result.stderr


def test_a_bundle_replaces_nothing_but_a_file(folder: Path) -> None:
    os.mkfifo(folder / "pipe.bundle")
    (folder / "link.bundle").symlink_to("elsewhere.bundle")
    os.mkfifo(folder / "x.bundle.sha256")
    for name in ("pipe.bundle", "link.bundle", "x.bundle"):
        result = run("compile", "good", "-o", name)
        assert result.exit_code == 1 and "it is there already, and no plain file" in result.stderr, name
    assert (folder / "pipe.bundle").is_fifo() and (folder / "link.bundle").is_symlink()
    assert not (folder / "elsewhere.bundle").exists()
    assert run("compile", "good", "-o", "y.bundle").exit_code == run("compile", "good", "-o", "y.bundle").exit_code == 0


@pytest.mark.parametrize("command", ["check", "list", "stats", "audit"])
def test_a_full_disk_is_one_line(command: str) -> None:
    with open("/dev/full", "wb") as full:
        result = run_process(command, "good", stdout=full)
    assert result.returncode == 1
    assert result.stderr.decode().splitlines() == ["sluice: the output cannot be written: No space left on device"]


@pytest.mark.parametrize("name", [b"\xff.tsv", b"a\nb.tsv", b"x" * 70 + b".tsv"])
def test_the_name_of_a_file_is_refused_with_its_place_and_on_one_line(folder: Path, name: bytes) -> None:
    (folder / "good" / "broken.tsv").write_text("term\trisk\tseverity\n毒\tA.1.h\t3\n")
    (Path(bytes(folder / "good").decode()) / name.decode("utf-8", "surrogateescape")).write_text(GOOD["drugs.tsv"])
    result = run_process("check", "good", stdout=subprocess.PIPE)
    lines = [line for line in result.stdout.decode().splitlines() if ": error: " in line]
    assert result.returncode == 1 and len(lines) == 2, result
    assert any("printable characters" in line for line in lines) and any("broken.tsv:2" in line for line in lines)
    assert run_process("list", "--json", "good", stdout=subprocess.PIPE).returncode == 1


def test_only_files_are_read_and_only_from_the_directory(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert b"neither a directory nor a file" in run_process("check", "pipe", stdout=subprocess.PIPE).stderr
    (folder / "out.txt").write_text("死穷鬼\n")
    for number, target in enumerate(["/dev/zero", "../out.txt"]):
        link = folder / "good" / "slurs.txt"
        link.unlink()
        link.symlink_to(target)
        result = run_process("check", "good", stdout=subprocess.PIPE)
        assert b"lexicon.yaml:4: error: 'slurs.txt' is not a file in the lexicon" in result.stdout, number
