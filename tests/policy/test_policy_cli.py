"""`sluice policy`: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.cells import cell_len

from sluice.cli.policy import policy as command
from sluice.policy import Policy
from sluice.risks import GROUPS, RISKS

GOOD = "version: 1\nprofiles:\n  default: {extends: default}\n  儿童: {extends: minor}\n"
NOTED = "version: 1\nprofiles:\n  chat: {extends: default, mode: live}\n"
BAD = "version: 1\nprofiles:\n  kids: {extends: default, mode: fast, unit_ms: 0}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in (("good", GOOD), ("noted", NOTED), ("bad", BAD)):
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


@pytest.mark.usefixtures("folder")
def test_check_names_what_is_good_on_standard_output() -> None:
    result = run("check", "good.yaml")
    version = Policy.parse(GOOD).version
    assert result.exit_code == 0
    assert result.stdout == f"good.yaml: OK, version {version}, profiles default, 儿童\n"
    assert result.stderr == ""


@pytest.mark.usefixtures("folder")
def test_check_names_every_problem_of_every_file_on_standard_error() -> None:
    result = run("check", "bad.yaml", "good.yaml", "none.yaml")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "bad.yaml:3: profiles.kids.mode: must be one of hold, live, monitor, not 'fast'",
        "bad.yaml:3: profiles.kids.unit_ms: must be a whole number from 1 to 600000, not 0",
        "none.yaml: cannot be read: No such file or directory",
    ]
    assert result.stdout.startswith("good.yaml: OK, ")


@pytest.mark.usefixtures("folder")
def test_check_prints_notes_and_still_succeeds() -> None:
    result = run("check", "noted.yaml")
    assert result.exit_code == 0
    assert result.stderr.startswith("noted.yaml:3: profiles.chat.mode: note: live mode shows text")
    assert result.stdout.startswith("noted.yaml: OK, ")


@pytest.mark.usefixtures("folder")
def test_check_as_json_is_one_object_a_file() -> None:
    result = run("check", "--json", "bad.yaml", "noted.yaml")
    bad, noted = map(json.loads, result.stdout.splitlines())
    assert result.exit_code == 1
    assert result.stderr == ""
    assert (bad["file"], bad["ok"], len(bad["problems"])) == ("bad.yaml", False, 2)
    message = "must be one of hold, live, monitor, not 'fast'"
    assert bad["problems"][0] == {"line": 3, "key": "profiles.kids.mode", "message": message}
    assert (noted["ok"], noted["profiles"], noted["version"]) == (
        True,
        ["default", "chat"],
        Policy.parse(NOTED).version,
    )
    assert [note["key"] for note in noted["notes"]] == ["profiles.chat.mode"]


def test_check_needs_a_file() -> None:
    assert run("check").exit_code == 2


@pytest.mark.parametrize("name", ["default", "minor", "monitor"])
def test_show_names_every_risk_in_both_languages_within_100_columns(name: str) -> None:
    result = run("show", name)
    assert result.exit_code == 0
    assert max(map(cell_len, result.stdout.splitlines())) <= 100
    assert "\x1b" not in result.stdout
    assert "…" not in result.stdout
    squeezed = "".join(result.stdout.split())
    for id, zh, en in [(item.id, item.zh, item.en) for table in (RISKS, GROUPS) for item in table.values()]:
        assert f"{id}{zh[:14]}" in squeezed
        assert en.split()[0] in result.stdout
    assert Policy.shipped().version in result.stdout


def test_show_has_the_numbers_that_hold() -> None:
    rows = {line.split()[0]: line for line in run("show", "minor").stdout.splitlines() if line.startswith("A.")}
    assert rows["A.1.f"].endswith("0.4  0.7 stop         closed ")
    assert "support" not in rows["A.1.f"]
    assert rows["A.4.a"].split()[-4:] == ["0.7", "stop", "+", "closed"]
    assert rows["A.5.a"].split()[-4:] == ["–"] * 4


def test_show_writes_other_orders_out(folder: Path) -> None:
    text = "version: 1\nprofiles: {p: {extends: default, risks: {A.3.e: {then: [stop_transmission]}}}}"
    (folder / "p.yaml").write_text(text, encoding="utf-8")
    assert "transmission" in next(
        line for line in run("show", "p", "--file", "p.yaml").stdout.splitlines() if line.startswith("A.3.e")
    )


def test_show_of_a_monitor_explains_itself() -> None:
    assert "recorded only, nothing is stopped" in run("show", "monitor").stdout


def test_show_as_json_is_the_whole_profile() -> None:
    shown = json.loads(run("show", "minor", "--json").stdout)
    assert shown["version"] == Policy.shipped().version
    assert shown["profile"]["name"] == "minor"
    assert shown["profile"]["risks"]["A.1.f"] == {
        "flag": 0.4,
        "stop": 0.7,
        "then": ["stop_generation", "stop_transmission"],
        "on_failure": "closed",
    }


@pytest.mark.parametrize("name", ["default", "minor", "monitor"])
def test_show_as_yaml_is_a_policy_file_that_says_the_same(name: str) -> None:
    text = run("show", name, "--yaml").stdout
    assert Policy.parse(text).profile(name) == Policy.shipped().profile(name)


@pytest.mark.usefixtures("folder")
def test_show_takes_a_file() -> None:
    assert "profile 儿童" in run("show", "儿童", "--file", "good.yaml").stdout
    unknown = run("show", "monitor", "--file", "good.yaml")
    assert unknown.exit_code == 1
    assert unknown.stderr == "Error: unknown profile 'monitor'; known are default, 儿童\n"
    assert run("show", "default", "--file", "bad.yaml").stderr.startswith("Error: bad.yaml:3: profiles.kids.mode: ")


def test_list_names_the_profiles() -> None:
    result = run("list")
    assert [line.split()[0] for line in result.stdout.splitlines()] == [
        "profile",
        "default",
        "minor",
        "monitor",
        "policy",
    ]
    assert json.loads(run("list", "--json").stdout) == {
        "version": Policy.shipped().version,
        "profiles": [
            {"name": "default", "mode": "hold", "release_unit": "sentence"},
            {"name": "minor", "mode": "hold", "release_unit": "sentence"},
            {"name": "monitor", "mode": "monitor", "release_unit": "sentence"},
        ],
    }


@pytest.mark.usefixtures("folder")
def test_list_takes_a_file() -> None:
    assert "儿童" in run("list", "--file", "good.yaml").stdout
    assert run("list", "--file", "bad.yaml").exit_code == 1
