"""What `docs/evaluation.md` shows is what happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from sluice.classifier import load_manifest
from sluice.cli.eval import eval as eval_command
from sluice.cli.main import main
from sluice.evaluation.mapping import Columns, LabelColumn, Labeller, load_columns
from sluice.evaluation.report import SCHEMA
from sluice.evaluation.rows import kind_of
from sluice.evaluation.targets import Targets
from sluice.shipped import model_directory

TEXT = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^```\w+ (\S+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))
VERSIONS = re.compile(r"\b[0-9a-f]{12}\b")


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


def test_the_command_prints_what_the_page_says() -> None:
    (block,) = re.findall(r"^```console\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    prompt, _, expected = block.partition("\n")
    result = CliRunner().invoke(main, prompt.removeprefix("$ sluice ").split())
    printed = "".join(f"{line.rstrip()}\n" for line in result.output.splitlines())
    assert VERSIONS.sub("<…>", printed) == VERSIONS.sub("<…>", expected)


def test_the_mapping_file_is_a_good_one() -> None:
    columns = load_columns(Path("columns.yaml"))
    labeller = Labeller(columns.labels, Targets(load_manifest(model_directory()).heads))
    assert labeller.labels({"topic": "race", "label": "1"}) is not None


def rows(heading: str) -> list[str]:
    """The first cells of the tables under a heading."""
    (part,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    return re.findall(r"^\| (?!---)(.*?) \|", part, re.MULTILINE)


def test_every_key_of_a_mapping_is_explained() -> None:
    explained = {cell.strip("`") for cell in rows("The file")}
    keys = {*Columns.__struct_fields__, *(f"labels.{field}" for field in LabelColumn.__struct_fields__)}
    assert keys <= explained


def test_the_kinds_of_files_are_those_that_are_read() -> None:
    names = [name for cell in rows("The file") for name in re.findall(r"`(\.\w+)`", cell)]
    assert names and all(kind_of(Path(f"x{name}")) for name in names)


def test_every_option_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", TEXT))
    known = {name for parameter in eval_command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert named <= known


def test_the_schemas_number_is_that_of_the_code() -> None:
    assert f"`schema` ({SCHEMA};" in TEXT
