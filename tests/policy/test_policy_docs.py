"""What `docs/policy.md` shows is what happens."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from sluice.cli.policy import policy as command
from sluice.lexicon.settings import CONFIDENCE
from sluice.lexicon.term import SEVERITY_SCORES
from sluice.policy import GapRule, Policy, Profile, RiskRule

PAGE = Path(__file__).parents[2] / "docs" / "policy.md"
TEXT = PAGE.read_text(encoding="utf-8")
VERSION = re.compile(r"\b[0-9a-f]{12}\b")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def file_name(block: str) -> str:
    return block.split("\n", 1)[0].removeprefix("# ")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for block in blocks("yaml"):
        (tmp_path / file_name(block)).write_text(block, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("block", [b for b in blocks("yaml") if file_name(b) != "wrong.yaml"], ids=file_name)
def test_every_example_is_a_policy(block: str) -> None:
    Policy.parse(block)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("block", blocks("console"), ids=lambda block: block.split("\n", 1)[0])
def test_every_command_prints_what_the_page_says(block: str) -> None:
    prompt, _, expected = block.partition("\n")
    arguments = prompt.removeprefix("$ sluice policy ").split()
    printed = "".join(f"{line.rstrip()}\n" for line in CliRunner().invoke(command, arguments).output.splitlines())
    assert VERSION.sub("<version>", printed) == VERSION.sub("<version>", expected)


def table_rows() -> dict[str, str]:
    rows = re.findall(r"^\| `([\w.]+)` \| (.*?) \|", TEXT, re.MULTILINE)
    return {key: default.strip("`") for key, default in rows if key != "on_failure"}


def shown(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(value)}]"
    return "null" if value is None else str(value)


def test_the_tables_have_every_key_with_its_default() -> None:
    defaults = {
        **{f.name: shown(f.default) for f in msgspec.structs.fields(Profile) if f.name not in ("name", "gap", "risks")},
        **{f"gap.{f.name}": shown(f.default) for f in msgspec.structs.fields(GapRule)},
        **{f.name: shown(f.default) for f in msgspec.structs.fields(RiskRule)},
        "extends": "–",
        "risks": "–",
    }
    del defaults["on_failure"]  # in both tables: the profile's is checked below, the risk's is the profile's
    assert table_rows() == defaults
    assert "| `on_failure` | `closed` |" in TEXT
    assert "| `on_failure` | the profile's |" in TEXT
    assert Profile(name="x").on_failure == "closed"


def test_a_terms_score_is_what_the_page_says() -> None:
    (said,) = re.findall(r"A lexicon term's is (.*?) unless", TEXT.replace("\n", " "))
    by_severity, _, by_channel = said.partition("times")
    assert [float(number) for number in re.findall(r"\d\.\d+", by_severity)] == [SEVERITY_SCORES[n] for n in (3, 2, 1)]
    assert {float(number) for number in re.findall(r"\d\.\d+", by_channel)} == set(CONFIDENCE.values())
