"""What `docs/lexicon.md` shows is what happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from sluice.cli.lexicon import lexicon
from sluice.cli.main import main
from sluice.lexicon import Lexicon
from sluice.lexicon.audit import load_profile
from sluice.lexicon.files import read_file
from sluice.lexicon.settings import CONFIDENCE, LexiconSettings, PlainList, read_settings

PAGE = Path(__file__).parents[2] / "docs" / "lexicon.md"
TEXT = PAGE.read_text(encoding="utf-8")
FILES = dict(re.findall(r"^```\w+ (\S+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))
CONSOLE = re.findall(r"^```console\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
CHANGING = re.compile(r"\b([0-9a-f]{64}|[0-9a-f]{12})\b|\b\d+(?= bytes)")
"""Versions and checksums change with the folding and the system's compressor."""


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied = {name.replace("mine/", "next/"): text for name, text in FILES.items() if name.startswith("mine/")}
    for name, text in {**copied, **FILES}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("block", CONSOLE, ids=lambda block: block.split("\n", 1)[0])
def test_every_command_prints_what_the_page_says(block: str) -> None:
    prompt, _, expected = block.partition("\n")
    result = CliRunner().invoke(main, prompt.removeprefix("$ sluice ").split())
    printed = "".join(f"{line.rstrip()}\n" for line in result.output.splitlines())
    assert CHANGING.sub("<…>", printed) == CHANGING.sub("<…>", expected)


def test_every_command_has_an_example() -> None:
    shown = {block.split()[3] for block in CONSOLE}
    need_kafka = {"activate", "active"}
    assert shown == set(lexicon.commands) - need_kafka


def test_the_examples_are_good_files() -> None:
    Lexicon.load(Path("mine"))
    assert load_profile("ours.yaml").needed("A.1.h") == 3
    problems: list[object] = []
    settings = read_settings(FILES["strict/lexicon.yaml"], "strict", problems)  # type: ignore[arg-type]
    assert problems == []
    assert settings.confidence("A.1.f", "initials") == 0 and settings.confidence("A.1.h", "initials") == 0.7
    assert settings.confidence("A.1.h", "pinyin") == 0.9


def rows(heading: str) -> dict[str, str]:
    """The first two cells of the table under a heading."""
    section = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return {key: cell.strip("`") for key, cell in re.findall(r"^\| `([\w.]+)` \| (.*?) \|", section, re.MULTILINE)}


def test_the_table_of_columns_is_whole(tmp_path: Path) -> None:
    named = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (.*?) \|", TEXT.partition("## Tables")[2], re.MULTILINE)))
    columns = named[: named.index("expires") + 1]
    (tmp_path / "all.tsv").write_text("\t".join(columns) + "\n冰毒\tA.1.h\t2\n", encoding="utf-8")
    assert len(columns) == 13 and len(read_file(tmp_path / "all.tsv")) == 1


def test_the_tables_of_settings_have_every_key_with_its_default() -> None:
    plain = rows("Plain lists")
    assert set(plain) == {*PlainList.__struct_fields__} - {"line"}
    default = PlainList("", "")
    assert (plain["severity"], plain["boundary"]) == (f"{default.severity}", default.boundary)
    assert plain["channels"] == f"[{', '.join(default.channels or ())}]"
    section = TEXT.partition("\n## lexicon.yaml\n")[2].partition("\n## ")[0]
    settings, _, worth = section.partition("| channel |")
    assert re.findall(r"^\| `(\w+)` \|", settings, re.MULTILINE) == ["version", *LexiconSettings.__struct_fields__]
    channels = re.findall(r"^\| `(\w+)` \| .* \| ([\d.]+) \|$", worth, re.MULTILINE)
    assert {channel: float(times) for channel, times in channels} == dict(CONFIDENCE)
