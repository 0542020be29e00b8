"""What `docs/models.md` shows is what happens. Its commands need torch: `make test-train`."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner
from made_checkpoints import make_checkpoint

from sluice.classifier.manifest import EncoderManifest
from sluice.cli.main import main
from sluice.cli.models.export import export_command
from sluice.export.agreement import MAX_ERROR, MAX_INT8_DRIFT, MAX_INT8_MEAN_DRIFT
from sluice.export.checkpoint import KINDS
from sluice.export.export import MAX_TOKENS
from sluice.export.labels import map_labels, read_map
from sluice.export.samples import sample_texts

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
TEXT = PAGE.read_text(encoding="utf-8")
FILES = dict(re.findall(r"^```\w+ (\S+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))
CONSOLE = re.findall(r"^```console\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def told(text: str) -> list[list[str]]:
    """Words of each line; versions, days, sizes and measured numbers change from one random checkpoint to another."""
    changing = re.compile(r"-[0-9a-f]{12}\b|\d{4}-\d\d-\d\d|[\d.]+(e-\d+)? ?(kB|MB|ms)?(?=[\s,]|$)")
    return [changing.sub("#", line).split() for line in text.splitlines()]


@pytest.mark.train
@pytest.mark.filterwarnings("default")
@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed here: make test-train")
def test_every_command_prints_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_checkpoint(tmp_path / "my-checkpoint", texts=sample_texts())
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for block in CONSOLE:
        prompt, _, expected = block.partition("\n")
        result = CliRunner().invoke(main, prompt.removeprefix("$ sluice ").split())
        assert result.exit_code == 0, result.output
        if "models list" in prompt:  # the shipped model has a path and a version of its own, and columns as wide
            found, wanted = (
                [line for line in told(text) if "cascade" not in line] for text in (result.output, expected)
            )
            assert found == wanted and "cascade" in result.output, prompt
        else:
            assert told(result.output) == told(expected), prompt


def test_the_example_of_labels_is_a_good_file() -> None:
    _, outputs = map_labels(["clean", "toxic", "hateful"], read_map(FILES["labels.yaml"], "labels.yaml"))
    assert outputs == (None, "abuse", "ethnic")


def rows(heading: str) -> list[str]:
    """The names in the first cells of the table under a heading."""
    section = TEXT.partition(f"# {heading}\n")[2].partition("\n#")[0]
    return re.findall(r"`([\w-]+)`", " ".join(re.findall(r"^\| (.*?) \|", section, re.MULTILINE)))


def test_the_tables_are_whole() -> None:
    assert set(rows("Options")) == {
        option.opts[0] for option in export_command.params if option.param_type_name == "option"
    }
    fields = {"kind", *EncoderManifest.__struct_fields__}
    assert set(rows("The manifest")) == fields


def test_the_figures_and_kinds_are_those_of_the_code() -> None:
    assert f"more than {MAX_ERROR:.4f} " in TEXT and f"at most {MAX_TOKENS} " in TEXT
    assert f"more than {MAX_INT8_DRIFT}, or scores by more than {MAX_INT8_MEAN_DRIFT} in the mean" in TEXT
    listed = TEXT.partition("are exported, each tried")[2].partition(".\n")[0]
    assert set(re.findall(r"`([\w-]+)`", listed)) == set(KINDS)


def test_every_file_that_training_reads_is_in_the_table() -> None:
    reader = (PAGE.parents[1] / "models" / "data.py").read_text(encoding="utf-8")
    found = re.findall(r'data / "(\w+)" / f?"([^"]+)"', reader)
    assert len(found) >= 9
    for folder, file in found:
        (row,) = (
            line for line in TEXT.split("make measure-model")[0].splitlines() if line.startswith(f"| `{folder}` |")
        )
        names = re.findall(r"`([^` ]+\.[^` ]+)`", row)
        assert any(re.fullmatch(re.sub(r"{\w+}", r"\\w+", file), name) for name in names), (folder, file)
