"""`sluice models`: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from sluice import shipped
from sluice.classifier.encoder import EncoderModel
from sluice.cli.main import main
from sluice.moderation.detector import Passage
from support.models import write_encoder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_encoder(tmp_path / "models" / "marks")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["models", *arguments])


@pytest.mark.usefixtures("folder")
def test_check_says_what_a_model_is() -> None:
    result = run("check", "models/marks")
    assert result.exit_code == 0, result.output
    first, *heads = result.stdout.splitlines()
    assert first.startswith("models/marks: OK, encoder, version marks-")
    assert first.endswith("fp32, opset 17, up to 32 tokens, with what stands before")
    assert heads == ["  bad     A.4.c  marked bad", "  biased  A.2.e (gender)  marked biased"]


@pytest.mark.usefixtures("folder")
def test_check_takes_the_shipped_model_too_and_speaks_json() -> None:
    result = run("check", "--json", str(shipped.model_directory()), "models/marks", "models/none")
    assert result.exit_code == 1
    own, marks, none = map(json.loads, result.stdout.splitlines())
    assert own["ok"] and len(own["heads"]) >= 10 and own["bytes"] > 1_000_000
    assert marks["ok"] and marks["sample"]["texts"] > 30
    assert none["problem"] == "models/none/manifest.json: No such file or directory"


def test_check_names_file_and_field_of_all_that_is_wrong(folder: Path) -> None:
    directory = folder / "models" / "marks"
    for name in ("model.onnx", "tokenizer.json"):
        content = (directory / name).read_bytes()
        (directory / name).write_bytes(content + b" ")
        result = run("check", "models/marks")
        assert result.exit_code == 1 and result.stdout == ""
        assert f"models/marks/{name}: SHA-256 is " in result.stderr
        (directory / name).write_bytes(content)
    manifest = json.loads((directory / "manifest.json").read_bytes())
    manifest["tokens"]["max_tokens"] = "many"
    (directory / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert "manifest.json: " in run("check", "models/marks").stderr
    assert "$.tokens.max_tokens" in run("check", "models/marks").stderr


@pytest.mark.usefixtures("folder")
def test_check_says_when_a_model_fails_on_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    score = EncoderModel.score

    def fail(model: EncoderModel, passages: Sequence[Passage]) -> NDArray[np.float32]:
        if any(passage.context and passage.context != "a" for passage in passages):
            raise RuntimeError("index out of bounds")
        return score(model, passages)

    monkeypatch.setattr(EncoderModel, "score", fail)
    result = run("check", "models/marks")
    assert result.exit_code == 1
    assert result.stderr == "models/marks: fails on a sample text: index out of bounds\n"


def test_list_has_the_shipped_model_and_those_in_folders(folder: Path) -> None:
    result = run("list", "--json", "models", "models/marks")
    assert result.exit_code == 0
    rows = list(map(json.loads, result.stdout.splitlines()))
    assert [row["model"] for row in rows] == [str(shipped.model_directory()), "models/marks", "models/marks"]
    assert rows[1]["version"] in run("check", "models/marks").stdout
    assert "marks-" in run("list", "models").stdout
    (folder / "models" / "marks" / "model.onnx").unlink()
    result = run("list", "models")
    assert result.exit_code == 1 and "models/marks/model.onnx: No such file" in result.stderr
    assert "No such file" in run("list", "none").stderr


@pytest.fixture
def checkpoint(folder: Path) -> str:
    (folder / "mine").mkdir()
    config = {
        "model_type": "bert",
        "architectures": ["BertForSequenceClassification"],
        "id2label": {"0": "clean", "1": "toxic"},
    }
    (folder / "mine" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "mine" / "model.safetensors").write_bytes(b"")
    return "mine"


MAP = ("--map", "toxic=A.4.c", "--ignore", "clean")


def test_export_asks_for_all_that_it_must_know_before_it_loads_anything(checkpoint: str, folder: Path) -> None:
    def told(*options: str) -> str:
        result = run("export", checkpoint, "out", *options)
        assert result.exit_code == 1 and "loading" not in result.stderr
        assert not (folder / "out").exists()
        return result.stderr

    assert "neither mapped nor ignored: clean, toxic" in told()
    assert "say --activation" in told(*MAP)
    assert "--flag 0.9 is more than --stop 0.2" in told(*MAP, "--flag", "0.9", "--stop", "0.2")
    assert "no.yaml: No such file" in told(*MAP, "--map-file", "no.yaml")
    assert "no.txt: No such file" in told(*MAP, "--samples", "no.txt")
    (folder / "map.yaml").write_text("version: 1\nlabels: {toxic: A.4.c}\n", encoding="utf-8")
    assert "given twice: toxic" in told(*MAP, "--map-file", "map.yaml")
    (folder / "map.yaml").write_bytes(b"\xff")
    assert "map.yaml: not UTF-8" in told("--map-file", "map.yaml")
    (folder / "none.txt").write_text(" \n\n", encoding="utf-8")
    assert "none.txt: has no text" in told(*MAP, "--samples", "none.txt")


def test_export_does_not_write_over_anything(checkpoint: str) -> None:
    result = run("export", checkpoint, "models", *MAP, "--activation", "softmax")
    assert result.exit_code == 1 and "models: is there already" in result.stderr


@pytest.mark.skipif(find_spec("torch") is not None, reason="torch is installed here")
def test_export_says_what_to_install(checkpoint: str) -> None:
    result = run("export", checkpoint, "out", *MAP, "--activation", "softmax")
    assert result.exit_code == 1
    assert "exporting needs torch, transformers" in result.stderr and "the extra `train`" in result.stderr
